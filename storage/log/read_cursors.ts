/**
 * Remembers where recent reads ended: a consumer that continues there needs no search. Runs on the shard that owns the log. A
 * cursor cannot be wrong while its segment is in the log, because no byte of a file is written twice; a segment that a truncation has cut
 * is another one, with another id.
 */
import type { Offset } from "../base/units.ts";

/** Cursors of one log; a partition rarely has more readers at different offsets. */
const CURSORS = 16;

/** A small table from offset to (segment, position), without allocation. */
export class ReadCursors {
  readonly #offsets = new Float64Array(CURSORS).fill(-1);
  readonly #segmentIds = new Float64Array(CURSORS);
  readonly #positions = new Float64Array(CURSORS);
  #next = 0;

  /** Position of the batch at `offset` in the segment, -1 when unknown. */
  find(segmentId: number, offset: Offset): number {
    for (let i = 0; i < CURSORS; i++) {
      if (this.#offsets[i] === offset && this.#segmentIds[i] === segmentId) return this.#positions[i]!;
    }
    return -1;
  }

  /**
   * Notes that the batch at `offset` begins, or will begin, at `position`. This replaces the oldest cursor; the one that the read
   * started from stays for other consumers.
   */
  note(segmentId: number, offset: Offset, position: number): void {
    if (this.find(segmentId, offset) >= 0) return;
    this.#offsets[this.#next] = offset;
    this.#segmentIds[this.#next] = segmentId;
    this.#positions[this.#next] = position;
    this.#next = (this.#next + 1) % CURSORS;
  }
}

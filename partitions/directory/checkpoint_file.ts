/** One checkpoint file of the main isolate, written with asynchronous file calls. After a crash it has its old or its new content. */
import { encodeOffsetCheckpoint, replaceFileAsync } from "../../storage/control.ts";

/** One line. */
export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** @returns the current lines of one file */
export type OffsetSnapshot = () => readonly PartitionOffset[];

/** One file. One write at a time; calls during a write share the next one; unchanged content is not written again. */
export class CheckpointFile {
  readonly path: string;
  readonly #snapshot: OffsetSnapshot;
  #written = "";
  #last: Promise<void> = Promise.resolve();
  /** The write that has not begun yet. */
  #next: Promise<void> | null = null;

  /** @param path of the file @param snapshot its lines at the time of a write */
  constructor(path: string, snapshot: OffsetSnapshot) {
    this.path = path;
    this.#snapshot = snapshot;
  }

  /** Writes the file. Settles when the lines at the time of the call are durable. @throws Error of the runtime when the disk refuses */
  write(): Promise<void> {
    if (this.#next !== null) return this.#next;
    const write = () => {
      this.#next = null;
      return this.#write();
    };
    this.#last = this.#next = this.#last.then(write, write);
    return this.#last;
  }

  async #write(): Promise<void> {
    const text = encodeOffsetCheckpoint(this.#snapshot());
    if (text === this.#written) return;
    await replaceFileAsync(this.path, text);
    this.#written = text;
  }
}

/** One checkpoint file of the main isolate, written with asynchronous file calls. After a crash it has its old or its new content. */
import { replaceFileAsync } from "../../storage/control.ts";

/** One line. */
export interface PartitionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** @returns the current lines of one file of a log directory, which is named by its index */
export type OffsetSnapshot = (directory: number) => readonly PartitionOffset[];

/** One file. One write at a time; calls during a write share the next one; unchanged content is not written again. */
export class CheckpointFile {
  readonly path: string;
  readonly name: string;
  /** Index of its log directory. */
  readonly directory: number;
  readonly #content: () => string;
  #written = "";
  #last: Promise<void> = Promise.resolve();
  /** The write that has not begun yet. */
  #next: Promise<void> | null = null;

  /** @param place name of the file, and path and index of its log directory @param content its text at the time of a write */
  constructor(place: { path: string; name: string; directory: number }, content: () => string) {
    this.path = `${place.path}/${place.name}`;
    this.name = place.name;
    this.directory = place.directory;
    this.#content = content;
  }

  /** Writes the file. Settles when the content at the time of the call is durable. @throws Error of the runtime when the disk refuses */
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
    const text = this.#content();
    if (text === this.#written) return;
    await replaceFileAsync(this.path, text);
    this.#written = text;
  }
}

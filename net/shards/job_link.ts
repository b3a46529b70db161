/** What a shard lets other threads do, by way of the main isolate (shard_jobs.ts). Runs on shards. */
import type { CodecAnswer, CodecWork, FlushOutcome, FlushRequest, FoundRecord, SearchWork } from "../../storage/mod.ts";
import { AwaitedAnswers } from "./awaited_answers.ts";
import type { FileRange } from "./cold_reader.ts";
import type { FromShard, ToShard } from "./shard_messages.ts";

/** What is made durable. */
type FlushedFiles = Pick<FlushRequest, "fds" | "directories">;

/** The jobs of one shard. */
export class JobLink {
  readonly #post: (message: FromShard, transferred?: Transferable[]) => void;
  readonly #loads = new AwaitedAnswers<void>();
  readonly #transcodes = new AwaitedAnswers<CodecAnswer>();
  readonly #searches = new AwaitedAnswers<FoundRecord>();
  readonly #flushes = new AwaitedAnswers<readonly FlushOutcome[]>();

  /** @param post sends a message to the main isolate */
  constructor(post: (message: FromShard, transferred?: Transferable[]) => void) {
    this.#post = post;
  }

  /** Makes files and directories durable; `done` runs on a later turn, with an outcome for each request. */
  flush(requests: readonly FlushedFiles[], done: (outcomes: readonly FlushOutcome[]) => void): void {
    const id = this.#flushes.add(done);
    this.#post({ type: "flush", id, requests: requests.map(({ fds, directories }) => ({ fds, directories })) });
  }

  /** Makes a directory's entries durable. */
  flushDirectory(directory: string, done: (outcome: FlushOutcome) => void): void {
    this.flush([{ fds: [], directories: [directory] }], ([outcome = "failed"]) => done(outcome));
  }

  /** Lets a codec worker unpack and pack a batch. */
  transcode(work: CodecWork, done: (answer: CodecAnswer) => void): void {
    this.#post({ type: "transcode", id: this.#transcodes.add(done), work });
  }

  /** A batch that a codec worker rebuilt is not needed any more. @param bytes of its memory */
  release(bytes: number): void {
    this.#post({ type: "released", bytes });
  }

  /** Lets a codec worker search in a batch, which is transferred. */
  search(work: SearchWork, done: (record: FoundRecord) => void): void {
    this.#post({ type: "search", id: this.#searches.add(done), work }, [work.batch]);
  }

  /** Brings files, and the ends of others, into the page cache. */
  loadFiles(paths: readonly string[], tails: readonly string[], done: () => void): void {
    this.#post({ type: "loadFiles", id: this.#loads.add(done), paths, tails });
  }

  /** Brings a range of an open file into the page cache. */
  load(range: FileRange, done: () => void): void {
    this.#post({ type: "load", id: this.#loads.add(done), range });
  }

  /** An answer has arrived. */
  receive(message: Extract<ToShard, { type: "flushed" | "transcoded" | "found" | "loaded" }>): void {
    switch (message.type) {
      case "flushed":
        return this.#flushes.receive(message.id, message.outcomes);
      case "transcoded":
        return this.#transcodes.receive(message.id, message.answer);
      case "found":
        return this.#searches.receive(message.id, message.record);
      case "loaded":
        return this.#loads.receive(message.id);
    }
  }
}

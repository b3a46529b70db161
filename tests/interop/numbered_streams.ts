/**
 * Idempotent producers of a client library, in one process, that write numbered records while the broker is killed and started again, and
 * the check of what it stored (clients/README.md, `stream` and `runs`). Main isolate of a test.
 *
 * A producer whose records all arrive once and in order leaves record `n` at offset `n`: that is what is checked, of every record.
 */
import assert from "node:assert/strict";
import { runOrThrow } from "../../bench/peer/processes.ts";
import { TextLineStream } from "./lines.ts";
import { locations, smallJvm } from "./toolchain.ts";

/** Client libraries that can do it. */
export const streamLibraries = ["confluent-kafka", "java"] as const;

/** One producer: it alone writes to its partition. */
export interface NumberedStream {
  readonly library: (typeof streamLibraries)[number];
  readonly topic: string;
  readonly partition: number;
  /** The client's `compression.type`. */
  readonly codec: string;
}

/** The producers of one library; disposal kills them. */
export class StreamProgram implements AsyncDisposable {
  readonly streams: readonly NumberedStream[];
  /** For each stream, how many of its records were acknowledged: they are the first ones. */
  readonly acknowledged: number[];
  /** The first lines that must not be. */
  readonly complaints: string[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #byPlace: ReadonlyMap<string, number>;
  readonly #sent = new Map<string, number>();
  readonly #done: Promise<Deno.CommandStatus>;
  readonly #onProgress: () => void;
  #running = true;

  /** @param onProgress called after acknowledgements, and when the program has ended */
  constructor(streams: readonly NumberedStream[], port: number, onProgress: () => void) {
    this.streams = streams;
    this.acknowledged = streams.map(() => 0);
    this.#byPlace = new Map(streams.map((stream, index) => [placeOf(stream), index]));
    this.#onProgress = onProgress;
    const targets = streams.map(({ topic, partition, codec }) => `${topic}:${partition}:${codec}`);
    const words = [streams[0]!.library, "stream", `127.0.0.1:${port}`, ...targets];
    const [command, args] = streams[0]!.library === "java"
      ? ["java", smallJvm("Stream", ...words)] as const
      : [locations.python, [pythonProgram, ...words]] as const;
    this.#process = new Deno.Command(command, { args: [...args], stdout: "piped", stderr: "piped" }).spawn();
    const errors = new Response(this.#process.stderr).text();
    this.#done = this.#listen().then(async () => {
      const status = await this.#process.status;
      this.#running = false;
      // A JVM that was stopped by SIGTERM exits with 143.
      if (status.code !== 0 && status.code !== 143) this.#complain(`exit code ${status.code}: ${await errors}`);
      await errors;
      onProgress();
      return status;
    });
  }

  /** True until it has ended, or has said something that must not be. */
  get isFine(): boolean {
    return this.#running && this.complaints.length === 0;
  }

  /** Lets the program stand still until disposal: what has to be read would grow while it is read. */
  pause(): Disposable {
    this.#process.kill("SIGSTOP");
    return { [Symbol.dispose]: () => this.#running && this.#process.kill("SIGCONT") };
  }

  /** Lets each producer wait for its last acknowledgements and end. @throws AssertionError if not all records were acknowledged */
  async finish(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#done;
    assert.deepEqual(this.complaints, []);
    for (const [index, stream] of this.streams.entries()) {
      const sent = this.#sent.get(placeOf(stream));
      assert.equal(this.acknowledged[index], sent, `${describe(stream)}: all records were acknowledged`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running) this.#process.kill("SIGKILL");
    await this.#done;
  }

  async #listen(): Promise<void> {
    const lines = this.#process.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      const [word, topic, partition, ...numbers] = line.split(" ");
      const index = this.#byPlace.get(`${topic}:${partition}`);
      if (word === "acknowledged" && index !== undefined) this.#take(index, Number(numbers[0]), Number(numbers[1]));
      else if (word === "sent") this.#sent.set(`${topic}:${partition}`, Number(numbers[0]));
      else if (word !== "closed") this.#complain(line);
    }
  }

  #take(index: number, offset: number, number: number): void {
    const expected = this.acknowledged[index]!++;
    if (number !== expected || offset !== -1 && offset !== number) {
      this.#complain(`${describe(this.streams[index]!)}: ${number} acknowledged at ${offset}, not ${expected}`);
    }
    this.#onProgress();
  }

  #complain(text: string): void {
    if (this.complaints.length < 5) this.complaints.push(text);
    this.#onProgress();
  }
}

/** What a reader found in a partition. */
export interface StoredStream {
  /** Runs of records whose offsets and numbers grow by one each. */
  readonly runs: { readonly offset: number; readonly number: number; readonly count: number }[];
  /** Offsets of records whose value is not the one of their number. */
  readonly wrong: number[];
  /** The high watermark when the reader began. */
  end: number;
}

/** Reads the partitions of all streams completely, by librdkafka. @returns what it found, by stream */
export async function readStreams(streams: readonly NumberedStream[], port: number): Promise<StoredStream[]> {
  const words = ["confluent-kafka", "runs", `127.0.0.1:${port}`, ...streams.map(placeOf)];
  const printed = await runOrThrow(locations.python, [pythonProgram, ...words]);
  const found = new Map(streams.map((stream) => [placeOf(stream), { runs: [], wrong: [], end: -1 } as StoredStream]));
  for (const line of printed.trimEnd().split("\n")) {
    const [word, topic, partition, ...rest] = line.split(" ");
    const stored = found.get(`${topic}:${partition}`);
    assert(stored !== undefined, line);
    const [first, number, count] = rest.map(Number);
    if (word === "run") stored.runs.push({ offset: first!, number: number!, count: count! });
    else if (word === "wrong") stored.wrong.push(first!);
    else stored.end = first!;
  }
  return [...found.values()];
}

/** Checks that a partition has each record once, in order, at dense offsets, among them all that were acknowledged. */
export function verifyStream(stream: NumberedStream, stored: StoredStream, acknowledged: number): void {
  const at = describe(stream);
  assert.deepEqual(stored.wrong, [], `${at}: every record has its value`);
  const [first, ...others] = stored.runs;
  assert.deepEqual(others, [], `${at}: offsets are dense, and each record exists once and in order`);
  if (first !== undefined) assert.deepEqual([first.offset, first.number], [0, 0], `${at} begins with record 0`);
  const count = first?.count ?? 0;
  assert(count >= stored.end, `${at}: ${count} records up to the high watermark ${stored.end}`);
  assert(stored.end >= acknowledged, `${at}: the first ${acknowledged} records were acknowledged, ${stored.end} exist`);
}

const pythonProgram = `${locations.clients}/python/stream.py`;

function placeOf({ topic, partition }: NumberedStream): string {
  return `${topic}:${partition}`;
}

function describe({ library, topic, partition, codec }: NumberedStream): string {
  return `${topic}-${partition} (${library}, ${codec})`;
}

/**
 * Client libraries as producers and consumers of the rig's topic: the program `journal` of clients/README.md, which prints what it saw. Main
 * isolate of a test.
 */
import assert from "node:assert/strict";
import { TextLineStream } from "../lines.ts";
import { locations, type Need, smallJvm } from "../toolchain.ts";
import type { History } from "./history.ts";
import type { JournalTarget, RigClient } from "./replication_rig.ts";

/** Records a second of each program. */
const RATE = 60;
/** A program ends at the latest so long after it was told to. */
const END_MS = 180_000;

/** A library and its program. */
export interface JournalLibrary {
  readonly name: string;
  readonly need: Need;
  readonly command: (words: readonly string[]) => readonly [command: string, args: readonly string[]];
}

/** Every library that can do it. */
export const journalLibraries: readonly JournalLibrary[] = [
  {
    name: "confluent-kafka",
    need: "python",
    command: (words) => [locations.python, [`${locations.clients}/python/journal.py`, ...words]],
  },
  { name: "java", need: "java", command: (words) => ["java", smallJvm("Journal", ...words)] },
  { name: "franz-go", need: "go", command: (words) => [locations.go, words] },
];

/** A program that runs. */
export class LibraryClient implements RigClient {
  hasWritten = false;
  readonly #name: string;
  readonly #history: History;
  /** Whether records may be given up: with acks=1. */
  readonly #mayFail: boolean;
  readonly #process: Deno.ChildProcess;
  readonly #done: Promise<void>;
  readonly #errors: Promise<string>;
  #said = "";
  #isClosed = false;
  #isToldToEnd = false;
  #hasEnded = false;

  constructor(library: JournalLibrary, target: JournalTarget) {
    const { bootstrapServers, topic, partitions, acks, history } = target;
    this.#name = library.name;
    this.#history = history;
    this.#mayFail = acks === 1;
    const [command, args] = library.command([
      ...[library.name, "journal", bootstrapServers, topic, String(partitions)],
      ...[library.name, String(RATE), acks === 1 ? "1" : "all"],
    ]);
    this.#process = new Deno.Command(command, { args: [...args], stdin: "piped", stdout: "piped", stderr: "piped" })
      .spawn();
    this.#errors = new Response(this.#process.stderr).text();
    this.#done = this.#listen();
  }

  /** Ends writing, and reads to the end. @throws AssertionError when it failed */
  async finish(): Promise<void> {
    await this.#tellToEnd();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), END_MS);
    await this.#done;
    clearTimeout(timer);
    const { code } = await this.#process.status;
    assert.ok(code === 0 && this.#isClosed, `${this.#name} ended with ${code}: ${this.#said}\n${await this.#errors}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.#process.kill("SIGKILL");
    await this.#done;
    await this.#errors;
    await this.#tellToEnd();
  }

  async #tellToEnd(): Promise<void> {
    if (this.#isToldToEnd) return;
    this.#isToldToEnd = true;
    try {
      await this.#process.stdin.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // it has ended
    }
  }

  async #listen(): Promise<void> {
    const lines = this.#process.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) this.#take(line);
    await this.#process.status;
    this.#hasEnded = true;
  }

  #take(line: string): void {
    const [word, partition, ...rest] = line.split(" ");
    const [number, value] = [Number(partition), rest[1] ?? ""];
    this.hasWritten ||= word === "acknowledged";
    if (word === "acknowledged") this.#history.acknowledge(number, Number(rest[0]), value);
    else if (word === "read") {
      this.#history.reads.push({ consumer: this.#name, partition: number, offset: Number(rest[0]), value });
    } else if (word === "closed") this.#isClosed = true;
    else if (word === "failed" && this.#mayFail) this.#said = line;
    else this.#history.oddities.push(`${this.#name}: ${line}`);
  }
}

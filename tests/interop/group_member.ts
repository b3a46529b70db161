/**
 * One member of a consumer group: a client program as a process, and what it has printed so far (clients/README.md, `group`).
 * Main isolate of a test.
 *
 * Everything that a member printed before a SIGKILL is known: programs write each line at once, and the pipe keeps it.
 */
import { TextLineStream } from "./lines.ts";

/** A line of a member, read in the order of arrival. */
export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
}

/** How to start a member. */
export interface MemberCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Reads a line; by default one as clients/README.md says. */
  readonly parse?: (line: string) => MemberEvent | null;
}

/** The meaning of a line of a member. */
export type MemberEvent =
  | { readonly kind: "owns"; readonly partitions: readonly number[] }
  | { readonly kind: "read"; readonly partition: number; readonly offset: number }
  | { readonly kind: "committed"; readonly partition: number; readonly offset: number }
  | { readonly kind: "refused" | "closed" };

/** A running member; disposal kills it. */
export class GroupMember implements AsyncDisposable {
  readonly name: string;
  /** Its partitions; null until it has printed them. */
  owned: readonly number[] | null = null;
  /** How often it printed its partitions. */
  assignments = 0;
  /** All records that it has read, in order; null marks a change of its partitions. */
  readonly reads: (ReadRecord | null)[] = [];
  /** Its acknowledged commits, in order. */
  readonly commits: ReadRecord[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #done: Promise<Deno.CommandStatus>;
  #ended: Deno.CommandStatus | null = null;
  #mayEnd = false;

  constructor(name: string, how: MemberCommand) {
    this.name = name;
    this.#process = new Deno.Command(how.command, {
      args: [...how.args],
      env: how.env,
      cwd: how.cwd,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const parse = how.parse ?? parseLine;
    this.#done = Promise.all([
      this.#process.status,
      this.#listen(this.#process.stdout, parse),
      this.#listen(this.#process.stderr, parse),
    ]).then(([status]) => this.#ended = status);
  }

  async #listen(output: ReadableStream<Uint8Array>, parse: (line: string) => MemberEvent | null): Promise<void> {
    for await (const line of output.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
      this.#lines.push(line);
      const event = parse(line);
      if (event !== null) this.#take(event);
    }
  }

  #take(event: MemberEvent): void {
    if (event.kind === "read") this.reads.push({ partition: event.partition, offset: event.offset });
    else if (event.kind === "committed") this.commits.push({ partition: event.partition, offset: event.offset });
    else if (event.kind === "owns") {
      this.owned = event.partitions;
      this.assignments++;
      this.reads.push(null);
    }
  }

  /** True when it has ended by itself. */
  get failed(): boolean {
    return this.#ended !== null && !this.#mayEnd;
  }

  /** True until the process has ended. */
  get running(): boolean {
    return this.#ended === null;
  }

  /** True while it has the partition. */
  owns(partition: number): boolean {
    return this.running && this.owned !== null && this.owned.includes(partition);
  }

  /** The last lines it has written, for messages. */
  tail(lines = 25): string {
    const end = this.#ended === null ? "running" : `ended with ${this.#ended.signal ?? this.#ended.code}`;
    return `--- ${this.name} (${end})\n${this.#lines.slice(-lines).join("\n")}`;
  }

  signal(signal: Deno.Signal): void {
    if (this.#ended === null) this.#process.kill(signal);
  }

  /** SIGKILL: it does not leave its group. */
  async kill(): Promise<void> {
    this.#mayEnd = true;
    this.signal("SIGKILL");
    await this.#done;
  }

  /**
   * SIGTERM: it leaves its group and ends.
   * @throws Error when it has not ended after 30 s, or ended with an error
   */
  async leave(): Promise<void> {
    this.#mayEnd = true;
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), 30_000);
    const status = await this.#done;
    clearTimeout(timer);
    // A JVM that was stopped by SIGTERM exits with 143.
    if (status.code !== 0 && status.code !== 143) throw new Error(`Cannot stop a member in order:\n${this.tail()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Reads a line as clients/README.md says. */
function parseLine(line: string): MemberEvent | null {
  const [word, ...rest] = line.split(" ");
  const numbers = rest.filter((each) => each !== "").map(Number);
  if (word === "owns") return { kind: "owns", partitions: numbers };
  if (word === "read" || word === "committed") return { kind: word, partition: numbers[0]!, offset: numbers[1]! };
  return word === "refused" || word === "closed" ? { kind: word } : null;
}

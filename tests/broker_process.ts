/**
 * A broker in its own process with its own system limits, whose memory and descriptors a test can measure. Test code.
 */
import { type SystemFault, underStrace } from "./strace.ts";

/** How it is started. */
export interface BrokerProcessOptions {
  /** Absent where the overrides name `log.dirs`. */
  readonly dataDir?: string;
  /** By Kafka's names. */
  readonly overrides?: Readonly<Record<string, string>>;
  /** `--topic` arguments. */
  readonly topics?: readonly string[];
  /** `ulimit -n`, soft and hard. */
  readonly descriptorsMax?: number;
  readonly shards?: number;
  /** `main.ts` of another version. */
  readonly program?: string;
  /** A fault of system calls, from the start on. */
  readonly fault?: SystemFault;
}

const mainProgram = new URL("../main.ts", import.meta.url).pathname;

/** What a child of a process would inherit, its standard streams left out. Source: man 5 proc (fdinfo). */
function inheritableOf(pid: number | "self"): string[] {
  const closedOnExec = 0o2000000;
  const found: string[] = [];
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      const [, flags = ""] = /flags:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`)) ?? [];
      const isInheritable = Number(name) > 2 && (parseInt(flags, 8) & closedOnExec) === 0;
      if (isInheritable) found.push(Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
    } catch (error) {
      // It was closed meanwhile.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}

/** The process; disposal stops it. */
export class BrokerProcess implements AsyncDisposable {
  readonly port: number;
  readonly #process: Deno.ChildProcess;
  readonly #words: Words;

  private constructor(port: number, process: Deno.ChildProcess, words: Words) {
    this.port = port;
    this.#process = process;
    this.#words = words;
  }

  /** Starts a broker. @returns when it serves requests */
  static async start(options: BrokerProcessOptions): Promise<BrokerProcess> {
    const { dataDir, overrides = {}, topics = [], descriptorsMax, shards = 2, program = mainProgram } = options;
    const args = [
      ...["run", "-A", program, "--port", "0", "--shards", String(shards)],
      ...dataDir === undefined ? [] : ["--data", dataDir],
      ...topics.flatMap((topic) => ["--topic", topic]),
      ...Object.entries(overrides).flatMap(([name, value]) => ["--override", `${name}=${value}`]),
    ];
    const limit = descriptorsMax === undefined ? "" : `ulimit -n ${descriptorsMax}; `;
    const wrapper = options.fault === undefined ? [] : underStrace(options.fault);
    const process = new Deno.Command("sh", {
      args: ["-c", `${limit}exec "$@"`, "sh", ...wrapper, Deno.execPath(), ...args],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const words = new Words(process.stderr);
    const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value: banner = "" } = await reader.read();
    reader.cancel();
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(banner)?.[1]);
    if (Number.isNaN(port)) throw new Error(`The broker did not start: ${banner}${await words.all}`);
    return new BrokerProcess(port, process, words);
  }

  /** Resident memory in bytes. */
  get residentBytes(): number {
    const status = Deno.readTextFileSync(`/proc/${this.#process.pid}/status`);
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  }

  /** Open descriptors. */
  get descriptors(): number[] {
    return [...Deno.readDirSync(`/proc/${this.#process.pid}/fd`)].map(({ name }) => Number(name));
  }

  /** What its descriptors refer to that a child of it would inherit, without those that it inherited itself. */
  get inheritable(): string[] {
    const inherited = inheritableOf("self");
    return inheritableOf(this.#process.pid).filter((each) => !inherited.includes(each));
  }

  /** Waits until its standard error has a text. @throws Error when it ended without */
  hasSaid(text: string): Promise<void> {
    return this.#words.include(text);
  }

  /** Stops it. @returns its standard error */
  async stop(): Promise<string> {
    await this.#end("SIGTERM");
    return await this.#words.all;
  }

  /** Kills it, between any two of its instructions. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #end(signal: Deno.Signal): Promise<void> {
    try {
      this.#process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended.
    }
    await this.#process.status;
  }
}

/** What a process says, as it says it. */
class Words {
  /** Everything, once the process has ended. */
  readonly all: Promise<string>;
  #text = "";
  #hasEnded = false;
  readonly #waiting = new Set<() => void>();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.all = this.#collect(stream);
  }

  /** Settles when the text is there. */
  async include(text: string): Promise<void> {
    while (!this.#text.includes(text)) {
      if (this.#hasEnded) throw new Error(`The broker did not say "${text}": ${this.#text}`);
      await new Promise<void>((more) => this.#waiting.add(more));
    }
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<string> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#text += decoder.decode(chunk, { stream: true });
      this.#wake();
    }
    this.#hasEnded = true;
    this.#wake();
    return this.#text;
  }

  #wake(): void {
    for (const more of this.#waiting) more();
    this.#waiting.clear();
  }
}

/** The process under attack: starts it, asks for its turn times, measures its memory, reads what it prints. Test code. */
import type { TurnTimes } from "../../mod.ts";
import { TextLineStream } from "../interop/lines.ts";

/** With these settings groups answer at once, no request creates a topic by naming it, and brokers of a cluster may log in. */
const SETTINGS = {
  "barnabas.inter.broker.secret": "a secret that no attacker knows",
  "auto.create.topics.enable": "false",
  "group.initial.rebalance.delay.ms": "0",
};

const program = new URL("./victim.ts", import.meta.url).pathname;

/** A running broker; disposal ends it. */
export class Victim implements AsyncDisposable {
  readonly port: number;
  /** How the process ended; null while it runs. */
  end: Deno.CommandStatus | null = null;
  /** Lines of standard error, each with the time when it was read. */
  readonly sentences: { readonly atMs: number; readonly text: string }[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #questions: WritableStreamDefaultWriter<Uint8Array>;
  readonly #heard: Promise<void>;
  readonly #dataDir: string;

  private constructor(
    process: Deno.ChildProcess,
    of: { port: number; answers: AsyncIterator<string>; dataDir: string },
  ) {
    this.#process = process;
    this.port = of.port;
    this.#dataDir = of.dataDir;
    this.#answers = of.answers;
    this.#questions = process.stdin.getWriter();
    this.#heard = this.#hear();
    process.status.then((status) => this.end = status);
  }

  /**
   * Starts a broker.
   * @param how wrapper: words of a program before its command line
   * @returns when it serves requests
   */
  static async start(how: { wrapper?: (dataDir: string) => readonly string[] } = {}): Promise<Victim> {
    const dataDir = await Deno.makeTempDir({ prefix: "barnabas-hostile-" });
    const words = [Deno.execPath(), "run", "-A", program, dataDir, JSON.stringify(SETTINGS)];
    const [command, ...args] = [...how.wrapper?.(dataDir) ?? [], ...words] as [string, ...string[]];
    const process = new Deno.Command(command, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const answers = linesOf(process.stdout)[Symbol.asyncIterator]();
    const { value, done } = await answers.next();
    if (done === true) throw new Error(`The broker did not start: ${await new Response(process.stderr).text()}`);
    return new Victim(process, { port: Number(value), answers, dataDir });
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Turn times of all shards so far. @returns null when the broker has ended */
  async turnTimes(): Promise<TurnTimes[] | null> {
    await this.#questions.write(new TextEncoder().encode("\n")).catch(brokenPipe);
    const { value, done } = await this.#answers.next();
    return done === true ? null : JSON.parse(value);
  }

  /** Resident memory in bytes. */
  get residentBytes(): number {
    return this.#memory("VmRSS");
  }

  /** Highest resident memory since `resetPeak()`, in bytes. */
  get peakBytes(): number {
    return this.#memory("VmHWM");
  }

  /** Waits until no isolate of the broker has work left: at several looks in a row all of them sleep. */
  async waitUntilIdle(): Promise<void> {
    const [pauseMs, looksMax] = [3, 10_000];
    // Anew each time: codec workers come and go.
    const threads = this.#isolateThreads();
    for (let [looks, quiet] = [0, 0]; looks < looksMax && quiet < 3; looks++) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      if (this.end !== null) return;
      quiet = threads.every(sleeps) ? quiet + 1 : 0;
    }
  }

  /** Resets the kernel's highest resident memory (proc(5), clear_refs). */
  resetPeak(): void {
    Deno.writeTextFileSync(`/proc/${this.pid}/clear_refs`, "5");
  }

  /** The last lines of standard error, for messages. */
  get lastWords(): string {
    return this.sentences.slice(-12).map(({ text }) => text).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.end === null) this.#process.kill("SIGKILL");
    await this.#process.status;
    await this.#heard;
    await this.#answers.return?.();
    await this.#questions.abort().catch(brokenPipe);
    await Deno.remove(this.#dataDir, { recursive: true });
  }

  /** Directories in /proc of the threads of the main isolate, the shards, the metadata store and the codec workers. */
  #isolateThreads(): string[] {
    const folder = `/proc/${this.pid}/task`;
    return [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`).filter((path) =>
      path.endsWith(`/${this.pid}`) || Deno.readTextFileSync(`${path}/comm`).startsWith("worker-")
    );
  }

  #memory(name: string): number {
    const status = Deno.readTextFileSync(`/proc/${this.pid}/status`);
    return Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
  }

  async #hear(): Promise<void> {
    for await (const text of linesOf(this.#process.stderr)) this.sentences.push({ atMs: performance.now(), text });
  }
}

/** Whether a thread waits for something other than a processor, or has ended (proc(5), stat). */
function sleeps(thread: string): boolean {
  try {
    return /^.*\) S/.test(Deno.readTextFileSync(`${thread}/stat`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}

function linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}

/** The reading end of the pipe was closed, because the process ended. */
function brokenPipe(error: unknown): void {
  if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
}

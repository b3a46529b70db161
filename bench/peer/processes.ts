/**
 * Other programs as child processes: run one to its end, keep one running, read what the kernel reports about it. Main isolate of
 * a benchmark or a test.
 *
 * Always: a child is either awaited here or owned by a `RunningProcess`, whose disposal kills it.
 *
 * Source: proc(5) for /proc/PID/stat and /proc/PID/status.
 */

/** Exit code and output of a program. */
export interface ProcessResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run a program. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Written to standard input; absent: standard input is empty. */
  readonly stdin?: Uint8Array | ReadableStream<Uint8Array>;
  /** Kills the program after this long, which then counts as a failure; default 300 s. */
  readonly timeoutMs?: number;
}

/** Result of `runForBytes`: standard output is not decoded. */
export interface ProcessBytes {
  readonly code: number;
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
}

const decoder = new TextDecoder();

/**
 * Runs a program to its end, whatever its exit code.
 * @param command a program on PATH or a path
 * @param args its arguments
 * @returns exit code and output as bytes
 * @throws Error when the program is not installed
 */
export async function runForBytes(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessBytes> {
  using child = spawn(command, args, options);
  const written = writeInput(child.process, options.stdin);
  const output = await child.process.output();
  await written;
  return { code: output.code, stdout: output.stdout, stderr: decoder.decode(output.stderr) };
}

/** `runForBytes` with standard output as text. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const result = await runForBytes(command, args, options);
  return { code: result.code, stdout: decoder.decode(result.stdout), stderr: result.stderr };
}

/**
 * Runs a program that must succeed.
 * @returns its standard output
 * @throws Error with the tail of its output when it exits non-zero or is not installed
 */
export async function runOrThrow(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    const said = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-30).join("\n");
    throw new Error(`Cannot run ${command} ${args.join(" ")}: exit code ${result.code}\n${said}`);
  }
  return result.stdout;
}

function spawn(command: string, args: readonly string[], options: RunOptions): Disposable & {
  process: Deno.ChildProcess;
} {
  const process = spawnChild(command, {
    args: [...args],
    cwd: options.cwd,
    env: options.env,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const timer = setTimeout(() => kill(process), options.timeoutMs ?? 300_000);
  return { process, [Symbol.dispose]: () => clearTimeout(timer) };
}

function spawnChild(command: string, options: Deno.CommandOptions): Deno.ChildProcess {
  try {
    return new Deno.Command(command, options).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Error(`Cannot run ${command}: it is not installed, or not on PATH`);
    }
    throw error;
  }
}

async function writeInput(process: Deno.ChildProcess, stdin: RunOptions["stdin"]): Promise<void> {
  if (stdin === undefined) return;
  const source = stdin instanceof Uint8Array ? new Blob([stdin as Uint8Array<ArrayBuffer>]).stream() : stdin;
  try {
    await source.pipeTo(process.stdin);
  } catch (error) {
    // A program may stop reading before it has all (head, a failing client): its exit code says whether that is an error.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function kill(process: Deno.ChildProcess, signal: Deno.Signal = "SIGKILL"): void {
  try {
    process.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // TypeError: it has ended already
  }
}

/** Where the output of a `RunningProcess` goes: a file, so that a full pipe never stalls it. */
export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** File for standard output and standard error together. */
  readonly outputFile: string;
  /** A separate file for standard output. */
  readonly standardOutputFile?: string;
}

const running = new Set<RunningProcess>();

/** Stops every `RunningProcess`, for a program that is ended early and whose disposals will not run. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((process) => process.stop()));
}

/** A program that runs until it is stopped. */
export class RunningProcess implements AsyncDisposable {
  readonly pid: number;
  readonly outputFile: string;
  readonly #process: Deno.ChildProcess;
  #ended = false;
  readonly #status: Promise<Deno.CommandStatus>;

  /**
   * Starts a program in the background.
   * @throws Error when it is not installed
   */
  constructor(command: string, args: readonly string[], options: StartOptions) {
    const quoted = [command, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    this.outputFile = options.outputFile;
    Deno.writeTextFileSync(this.outputFile, "", { append: true }); // to be read before the process has written to it
    const { outputFile, standardOutputFile = outputFile } = options;
    // `exec` keeps the process id of the shell, so that signals and /proc refer to the program.
    this.#process = spawnChild("sh", {
      args: ["-c", `exec ${quoted} >>'${standardOutputFile}' 2>>'${outputFile}'`],
      cwd: options.cwd,
      env: options.env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    this.pid = this.#process.pid;
    running.add(this);
    this.#status = this.#process.status.then((status) => {
      this.#ended = true;
      running.delete(this);
      return status;
    });
  }

  /** True until the program has ended. */
  get running(): boolean {
    return !this.#ended;
  }

  /** Settles when the program has ended, with its exit code or signal. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#status;
  }

  /** The last lines that the program has written. */
  outputTail(lines = 30): string {
    return Deno.readTextFileSync(this.outputFile).trimEnd().split("\n").slice(-lines).join("\n");
  }

  /** Sends a signal; nothing happens when the program has ended. */
  signal(signal: Deno.Signal): void {
    if (!this.#ended) kill(this.#process, signal);
  }

  /** Kills the program. Settles when it has ended. */
  kill(): Promise<Deno.CommandStatus> {
    this.signal("SIGKILL");
    return this.#status;
  }

  /**
   * Asks the program to stop, and kills it when it does not.
   * @param graceMs how long it may take to stop by itself @returns its exit code
   */
  async stop(graceMs = 30_000): Promise<number> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), graceMs);
    const { code } = await this.#status;
    clearTimeout(timer);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Memory of a process, in bytes. */
export interface ProcessMemory {
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
}

/** Resident set of a process, from /proc. */
export function processMemory(pid: number): ProcessMemory {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return { residentBytes: kibibytes(status, "VmRSS"), peakResidentBytes: kibibytes(status, "VmHWM") };
}

function kibibytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0) * 1024;
}

/** CPU seconds (user and system, all threads) that a process has used, in steps of a clock tick (10 ms). */
export function processCpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The command's name may hold blanks and brackets; the numbers start after the last one: state is field 3, utime 14.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

/** USER_HZ of every Linux that Deno runs on. */
const CLOCK_TICKS_PER_SECOND = 100;

/**
 * Waits for an effect of another process, by polling.
 * @param what for the message: "Kafka answers on port 9092"
 * @param condition tried every 20 ms; a throw counts as not yet
 * @returns what the condition returned, once it is not undefined
 * @throws Error when `timeoutMs` have passed, with the last failure
 */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 60_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  let failure: unknown;
  while (performance.now() < end) {
    try {
      const value = await condition();
      if (value !== undefined) return value;
    } catch (error) {
      failure = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Cannot continue: still waiting after ${timeoutMs / 1000} s: ${what}`, { cause: failure });
}

/**
 * A free TCP port of 127.0.0.1. It is below the ports of outgoing connections (32768 and up), so that none of those takes it before its
 * listener does.
 */
export function freePort(): number {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      using _listener = Deno.listen({ hostname: "127.0.0.1", port });
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error("Cannot find a free port of 127.0.0.1 between 20000 and 32000");
}

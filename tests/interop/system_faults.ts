/**
 * Faults of the disk under a running broker: system calls that begin to fail or to wait, and small file systems that are full or read-only.
 * Main isolate of a test.
 */
import { waitFor } from "../../bench/peer/processes.ts";
import { straceWords, type SystemFault } from "../strace.ts";
import { TextLineStream } from "./lines.ts";

/** A fault of a running process; disposal ends it, and the process continues without. */
export class InjectedFault implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #done: Promise<unknown>;
  #isAttached = false;
  #count = 0;
  #hasEnded = false;
  #lastLine = "";

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    const ended = process.status.then(() => void (this.#hasEnded = true)); // with the program that it traces
    this.#done = Promise.all([ended, this.#listen()]);
  }

  /** Attaches to all threads of a process. @returns when calls are tampered with */
  static async inject(pid: number, fault: SystemFault): Promise<InjectedFault> {
    const process = new Deno.Command("strace", {
      args: [...straceWords(fault), "-p", String(pid)],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const injected = new InjectedFault(process);
    await waitFor("strace attaches to the broker", () => injected.#isAttached || injected.#hasEnded || undefined);
    if (injected.#hasEnded) throw new Error(`Cannot attach strace to process ${pid}: ${injected.#lastLine}`);
    return injected;
  }

  /** Calls tampered with so far. */
  get count(): number {
    return this.#count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.#process.kill("SIGINT");
    await this.#done;
  }

  async #listen(): Promise<void> {
    const lines = this.#process.stderr.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.#lastLine = line;
      if (/Process \d+ attached/.test(line)) this.#isAttached = true;
      if (/\((INJECTED|DELAYED)\)/.test(line)) this.#count++;
    }
    this.#hasEnded = true;
  }
}

/** A file system in memory. Unmounted when disposed of. */
export interface MountedMemory extends Disposable {
  /** Makes it read-only or writable; no file may be open for writing. */
  remount(how: "ro" | "rw"): void;
}

/** Mounts a small file system in memory (man 8 mount). @param path a directory that does not exist */
export function mountMemory(path: string, { megabytes }: { megabytes: number }): MountedMemory {
  Deno.mkdirSync(path);
  command("mount", "-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path);
  return {
    remount: (how) => command("mount", "-o", `remount,${how}`, path),
    [Symbol.dispose]: () => command("umount", path),
  };
}

/** Fills a file system until there is no room left. @param directory that gets the file @returns removes the file */
export function fillUp(directory: string): { free(): void } {
  const path = `${directory}/filler`;
  using file = Deno.openSync(path, { write: true, create: true });
  for (let bytes = new Uint8Array(1 << 20); bytes.length > 0;) {
    try {
      file.writeSync(bytes);
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOSPC") throw error;
      bytes = bytes.subarray(0, bytes.length >> 1);
    }
  }
  return { free: () => Deno.removeSync(path) };
}

/** Whether this process may mount file systems. */
export function mayMount(): boolean {
  const path = Deno.makeTempDirSync({ prefix: "barnabas-mount-" });
  try {
    using _mounted = mountMemory(`${path}/memory`, { megabytes: 1 });
    return true;
  } catch (error) {
    if (error instanceof MountError || error instanceof Deno.errors.NotFound) return false;
    throw error;
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

class MountError extends Error {
  override name = "MountError";
}

function command(name: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(name, { args }).outputSync();
  if (!success) throw new MountError(`Cannot ${name} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/**
 * One process of etcd: started by this broker, or found running, because an earlier broker with this directory was killed. Main isolate.
 *
 * It writes its log to a file, not to the broker, and has a session of its own: it lives on when the broker is killed, and Ctrl-C stops the
 * broker, which still needs it, not both at once.
 *
 * Source: proc(5) for /proc/PID/cmdline, which is empty once a process has ended.
 */
import { pause } from "../pause.ts";
import { cleanEnvironment, dataDirectoryFlag, type EtcdPorts, memberFlags, portsIn } from "./etcd_command.ts";
import type { ManagedLimits } from "./managed_limits.ts";

/** A process. */
export interface EtcdProcess {
  readonly pid: number;
  readonly ports: EtcdPorts;
  /** Settles when it has ended, with how: "exit code 1". */
  readonly ended: Promise<string>;
  /** Sends a signal; nothing happens when it has ended. */
  signal(signal: "SIGTERM" | "SIGKILL"): void;
}

/** Which etcd is started. */
export interface EtcdStart {
  /** Its name on PATH, or its path. */
  readonly command: string;
  readonly dataDirectory: string;
  readonly ports: EtcdPorts;
  /** Names the cluster, when the data directory is empty. */
  readonly token: string;
  /** Gets what it says, at the end. */
  readonly logPath: string;
}

/** Starts a process. @throws the runtime's errors when the system refuses */
export function startEtcd({ command, dataDirectory, ports, token, logPath }: EtcdStart): EtcdProcess {
  // The shell only redirects the output; it becomes etcd, with the same process id.
  const words = ["-c", 'exec "$@" >>"$0" 2>&1', logPath, command, ...memberFlags(dataDirectory, ports, token)];
  const streams = { stdin: "null", stdout: "null", stderr: "null" } as const;
  const child = new Deno.Command("sh", { args: words, ...cleanEnvironment(), ...streams, detached: true }).spawn();
  const ended = child.status.then(({ code, signal }) => signal ?? `exit code ${code}`);
  return withPid(child.pid, ports, ended);
}

/**
 * Finds the process that runs with a data directory, whoever has started it.
 * @returns null when there is none, or the system does not show it
 */
export async function findEtcd(dataDirectory: string, { watchMs }: ManagedLimits): Promise<EtcdProcess | null> {
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const ports = portsIn(await wordsOf(pid, dataDirectory));
    if (ports === null) continue;
    return withPid(pid, ports, untilEnded(pid, dataDirectory, watchMs));
  }
  return null;
}

async function untilEnded(pid: number, dataDirectory: string, watchMs: number): Promise<string> {
  while ((await wordsOf(pid, dataDirectory)).length > 0) await pause(watchMs);
  return "it was started by an earlier broker, so its exit code is unknown";
}

/** The words with which a process was started; none when it has ended, or does not run with the data directory. */
async function wordsOf(pid: number, dataDirectory: string): Promise<string[]> {
  try {
    const words = (await Deno.readTextFile(`/proc/${pid}/cmdline`)).split("\0");
    return words.includes(dataDirectoryFlag(dataDirectory)) ? words : [];
  } catch (error) {
    const { NotFound, PermissionDenied } = Deno.errors;
    if (error instanceof NotFound || error instanceof PermissionDenied) return []; // it has ended, or is another user's
    throw error;
  }
}

function withPid(pid: number, ports: EtcdPorts, ended: Promise<string>): EtcdProcess {
  let hasEnded = false; // then the system may give its id to another process
  ended.then(() => hasEnded = true);
  const signal = (signal: "SIGTERM" | "SIGKILL") => {
    if (hasEnded) return;
    try {
      Deno.kill(pid, signal);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended a moment ago
    }
  };
  return { pid, ports, ended, signal };
}

/**
 * An etcd of one member that the broker runs itself (`--etcd managed`), for development: on 127.0.0.1, with its files in the broker's first
 * log directory. Main isolate.
 *
 * ```
 *   start ─► a process runs with the data directory? ─► it answers at the right ports: it is taken over
 *             │ no                                   └─► else it is stopped
 *             ▼
 *   started ─► answers ─► it ends ─► warning, pause ─► started ─► …        too often in a row: `ended` gives the reason
 *                            └─► close(): SIGTERM, and SIGKILL when it takes too long
 * ```
 *
 * Always: one process at a time has the data directory. The broker has locked the log directory, and looks for a process before it starts
 * one; etcd itself locks its files, too. When the broker is killed, etcd runs on, and the next start takes it over.
 *
 * The metadata of the cluster are as safe as this one member's disk. Several members are run without the broker.
 */
import { systemClock } from "../../../../storage/base/clock.ts";
import { pause } from "../pause.ts";
import { MetadataStoreError } from "../../store/store.ts";
import { checkInstalled, type EtcdPorts } from "./etcd_command.ts";
import { lastError, putLogAside } from "./etcd_log.ts";
import { type EtcdProcess, findEtcd, startEtcd } from "./etcd_process.ts";
import { type ManagedLimits, managedLimits } from "./managed_limits.ts";
import { MANAGED_DIRECTORY, type Member, readMember, writeMember } from "./member_file.ts";
import { choosePorts, MANAGED_PORTS, type RequestedPorts } from "./member_ports.ts";
import { answeredClusterId } from "./member_status.ts";

/** How it is run. */
export interface ManagedEtcdOptions {
  /** The broker's first log directory, absolute; the broker has locked it. */
  readonly directory: string;
  /** Ports on 127.0.0.1; `MANAGED_PORTS` by default. */
  readonly ports?: RequestedPorts;
  /** Writes a warning to the operator's log. */
  readonly warn: (sentence: string) => void;
  /** The program: its name on PATH, or its path. */
  readonly command?: string;
  readonly limits?: Partial<ManagedLimits>;
}

/** The etcd. */
export class ManagedEtcd {
  /** "http://127.0.0.1:2391" */
  readonly endpoint: string;
  /** Settles with null after `close()`, and with the reason when etcd does not stay up: nothing starts it any more. */
  readonly ended: Promise<MetadataStoreError | null>;
  readonly #options: Options;
  readonly #limits: ManagedLimits;
  readonly #directory: string;
  readonly #closing = new AbortController();
  #process: EtcdProcess;

  private constructor(
    options: Options,
    started: { process: EtcdProcess; directory: string; limits: ManagedLimits },
  ) {
    this.#options = options;
    this.#limits = started.limits;
    this.#directory = started.directory;
    this.#process = started.process;
    this.endpoint = endpointOf(started.process.ports);
    this.ended = this.#supervise().catch((cause) => {
      return new MetadataStoreError(`etcd is not started again: ${cause}`, { cause });
    });
  }

  /**
   * Starts etcd, or takes over the one that an earlier broker with this directory has left.
   * @returns when it answers
   * @throws MetadataStoreError when it is not installed, too old, or does not start @throws the runtime's errors when the disk refuses
   */
  static async start(given: ManagedEtcdOptions): Promise<ManagedEtcd> {
    const options = { ...given, command: given.command ?? "etcd", ports: given.ports ?? MANAGED_PORTS };
    const limits = { ...managedLimits, ...options.limits };
    await checkInstalled(options.command);
    const directory = `${options.directory}/${MANAGED_DIRECTORY}`;
    await Deno.mkdir(directory, { recursive: true });
    const member = await readMember(directory);
    const left = await takeOver(directory, { options, member, limits });
    const process = left ?? await startAt(directory, { options, ports: choosePorts(options.ports, member), limits });
    try {
      const clusterId = await untilAnswered(process, { directory, limits });
      await note(directory, { ...process.ports, clusterId }, member);
    } catch (error) {
      await stop(process, limits);
      throw error;
    }
    return new ManagedEtcd(options, { process, directory, limits });
  }

  /** The process that runs now. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Stops etcd. Settles when it has ended. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    const isKilled = await stop(this.#process, this.#limits);
    if (isKilled) this.#options.warn(`etcd did not stop within ${this.#limits.stopMs} ms, and was killed`);
    await this.ended;
  }

  /** Starts it again whenever it ends. */
  async #supervise(): Promise<MetadataStoreError | null> {
    const { startsMax, steadyMs, pauseMs, pauseMaxMs } = this.#limits;
    let startMs = systemClock.monotonicMs();
    let why = await this.#untilEnded();
    for (let starts = 0; !this.#isClosing; starts++) {
      if (systemClock.monotonicMs() - startMs >= steadyMs) starts = 0;
      if (starts === startsMax) return new MetadataStoreError(`${why}. It was started ${startsMax} times in a row`);
      const waitMs = Math.min(pauseMaxMs, pauseMs * 2 ** starts);
      this.#options.warn(`${why}. It is started again in ${waitMs} ms`);
      await pause(waitMs, this.#closing.signal);
      if (this.#isClosing) break;
      startMs = systemClock.monotonicMs();
      why = await this.#startAgain();
    }
    return null;
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Starts a process; one that does not answer is killed. @returns when it has ended, or could not be started: why */
  async #startAgain(): Promise<string> {
    const { ports } = this.#process;
    const [directory, limits] = [this.#directory, this.#limits];
    try {
      this.#process = await startAt(directory, { options: this.#options, ports, limits });
      // close() may have stopped the process before this one.
      if (this.#isClosing) await stop(this.#process, limits);
      await untilAnswered(this.#process, { directory, limits, signal: this.#closing.signal });
      return await this.#untilEnded();
    } catch (error) {
      if (!this.#isClosing) await stop(this.#process, { ...limits, stopMs: 0 });
      return error instanceof MetadataStoreError ? error.message : `Cannot start etcd: ${error}`;
    }
  }

  /** Settles when the process has ended: why. */
  async #untilEnded(): Promise<string> {
    const how = await this.#process.ended;
    const said = await lastError(logOf(this.#directory));
    return `etcd at ${this.endpoint} has ended (${how}${said === "" ? "" : `; its log says: ${said}`})`;
  }
}

type Options = ManagedEtcdOptions & Required<Pick<ManagedEtcdOptions, "command" | "ports">>;

interface Starting {
  readonly options: Options;
  readonly limits: ManagedLimits;
}

/** Finds the process that an earlier broker has left. @returns null when there is none that can be used; none runs then */
async function takeOver(
  directory: string,
  { options, member, limits }: Starting & { member: Member | null },
): Promise<EtcdProcess | null> {
  const found = await findEtcd(dataOf(directory), limits);
  if (found === null) return null;
  const isWanted = (["clientPort", "peerPort"] as const).every((port) =>
    [0, found.ports[port]].includes(options.ports[port])
  );
  try {
    if (isWanted) {
      const clusterId = await untilAnswered(found, { directory, limits });
      if (member === null || member.clusterId === clusterId) return found;
    }
  } catch (error) {
    if (!(error instanceof MetadataStoreError)) throw error;
    options.warn(`The etcd that an earlier broker has left is started anew: ${error.message}`);
  }
  await stop(found, limits);
  return null;
}

async function startAt(directory: string, { options, ports, limits }: Starting & { ports: EtcdPorts }) {
  const logPath = logOf(directory);
  await putLogAside(logPath, limits.logBytesMax);
  const { command } = options;
  return startEtcd({ command, dataDirectory: dataOf(directory), ports, token: crypto.randomUUID(), logPath });
}

/** Waits until a process answers. @returns the id of its cluster @throws MetadataStoreError when it ends, or the time is up */
async function untilAnswered(
  process: EtcdProcess,
  { directory, limits, signal }: { directory: string; limits: ManagedLimits; signal?: AbortSignal },
): Promise<string> {
  const { startMs, askMs } = limits;
  const endMs = systemClock.monotonicMs() + startMs;
  let how: string | null = null;
  process.ended.then((text) => how = text);
  const endpoint = endpointOf(process.ports);
  while (how === null && systemClock.monotonicMs() < endMs && signal?.aborted !== true) {
    const clusterId = await answeredClusterId(endpoint, Math.max(1, endMs - systemClock.monotonicMs()));
    if (clusterId !== null) return clusterId;
    await pause(askMs, signal);
  }
  const what = how === null ? `it does not answer at ${endpoint} within ${startMs} ms` : `it has ended (${how})`;
  const said = await lastError(logOf(directory));
  throw new MetadataStoreError(`Cannot start etcd: ${what}${said === "" ? "" : `; its log says: ${said}`}`);
}

/** Keeps what later starts have to know. @throws MetadataStoreError when this is another cluster than the one before */
async function note(directory: string, now: Member, before: Member | null): Promise<void> {
  if (before !== null && before.clusterId !== now.clusterId) {
    throw new MetadataStoreError(
      `The files of etcd in ${dataOf(directory)} are of another cluster (id ${now.clusterId}) than those before (id ` +
        `${before.clusterId}): bring them back, or remove ${directory} to begin without metadata`,
    );
  }
  const isSame = before?.clientPort === now.clientPort && before.peerPort === now.peerPort;
  if (!isSame) await writeMember(directory, now);
}

/** Stops a process. @returns whether it had to be killed */
async function stop(process: EtcdProcess, { stopMs }: ManagedLimits): Promise<boolean> {
  let isKilled = false;
  process.signal("SIGTERM");
  const timer = setTimeout(() => {
    isKilled = true;
    process.signal("SIGKILL");
  }, stopMs);
  await process.ended;
  clearTimeout(timer);
  return isKilled;
}

function endpointOf({ clientPort }: EtcdPorts): string {
  return `http://127.0.0.1:${clientPort}`;
}

function dataOf(directory: string): string {
  return `${directory}/data`;
}

function logOf(directory: string): string {
  return `${directory}/etcd.log`;
}

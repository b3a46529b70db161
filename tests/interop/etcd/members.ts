/**
 * An etcd of one or three members for a test: ports and directories of their own, on 127.0.0.1, without a setting from the environment.
 * Main isolate of a test.
 *
 * The members reach each other through relays (peer_relay.ts), so that one can be isolated.
 */
import { freePort, RunningProcess, waitFor } from "../../../bench/peer/processes.ts";
import { PeerRelay } from "./peer_relay.ts";

/** How etcd is started. */
export interface EtcdOptions {
  /** Where the members keep their files. */
  readonly directory: string;
  /** 1 or 3. */
  readonly members?: number;
  /** `--quota-backend-bytes` */
  readonly quotaBytes?: number;
  /** Further flags of every member, without "--"; they replace others of the same name. */
  readonly flags?: Readonly<Record<string, string | number | boolean>>;
  /** Where ports come from. */
  readonly port?: () => number;
}

/** Starts that are tried. Between its choice and the member's start, another program of this machine may take a port. */
const STARTS_MAX = 3;

/** One member. */
export interface EtcdMember {
  readonly name: string;
  readonly clientPort: number;
  /** "http://127.0.0.1:2379" */
  readonly url: string;
  readonly process: RunningProcess;
}

/** Part of the answer of /v3/maintenance/status. */
interface Status {
  readonly header: { readonly member_id: string; readonly revision?: string };
  readonly leader?: string;
}

interface Seat {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly relay: PeerRelay;
}

/** The members. Disposal kills them: their directories are temporary. */
export class Etcd implements AsyncDisposable {
  readonly #options: EtcdOptions;
  readonly #seats: Seat[];
  readonly #processes = new Map<string, RunningProcess>();
  #isolated: number | null = null;

  private constructor(options: EtcdOptions) {
    this.#options = options;
    const ports = new Set<number>();
    const port = () => {
      for (;;) {
        const found = (options.port ?? freePort)();
        if (ports.has(found)) continue; // chosen already, but not in use yet
        ports.add(found);
        return found;
      }
    };
    this.#seats = Array.from({ length: options.members ?? 1 }, (_, index) => {
      const name = `m${index}`;
      const peerPort = port();
      const links = {
        to: () => this.#processes.get(name)?.pid ?? -1,
        pids: () => [...this.#processes.values()].map(({ pid }) => pid),
        isCut: (from: number, to: number) =>
          this.#isolated !== null && (from === this.#isolated) !== (to === this.#isolated),
      };
      return { name, clientPort: port(), peerPort, relay: new PeerRelay(peerPort, links) };
    });
  }

  /** Starts all members. @returns when they have a leader */
  static async start(options: EtcdOptions): Promise<Etcd> {
    for (let attempt = 1;; attempt++) {
      const etcd = new Etcd(options);
      try {
        for (const seat of etcd.#seats) etcd.#start(seat, "new");
        await etcd.#leads();
        return etcd;
      } catch (cause) {
        const members = etcd.members;
        const said = members.map(({ name, process }) => `${name}: ${process.outputTail(5)}`).join("\n");
        await etcd[Symbol.asyncDispose]();
        const isPortTaken = members.some(({ process }) => process.outputTail().includes("address already in use"));
        if (!isPortTaken || attempt === STARTS_MAX) throw new Error(`Cannot start etcd:\n${said}`, { cause });
        for (const { name } of members) await removeFiles(`${options.directory}/${name}`);
      }
    }
  }

  /** Waits until one of the members leads. @throws Error as soon as one has ended */
  async #leads(): Promise<void> {
    const ended = this.members.map(async ({ name, process }) => {
      const { code } = await process.status;
      throw new Error(`${name} has ended with code ${code}`);
    });
    await Promise.race([this.leader(), ...ended]);
  }

  /** The members, those that were killed left out. */
  get members(): EtcdMember[] {
    return this.#seats.flatMap(({ name, clientPort }) => {
      const process = this.#processes.get(name);
      return process === undefined ? [] : [{ name, clientPort, url: `http://127.0.0.1:${clientPort}`, process }];
    });
  }

  /** Endpoints of all members. */
  get urls(): string[] {
    return this.#seats.map(({ clientPort }) => `http://127.0.0.1:${clientPort}`);
  }

  /** The member that leads, when most members say so. */
  leader(): Promise<EtcdMember> {
    return waitFor("etcd has a leader", async () => {
      const answers = await Promise.all(this.members.map(async (member) => {
        try {
          return { member, status: await call<Status>(member.url, "/v3/maintenance/status", {}) };
        } catch (error) {
          if (error instanceof EtcdCallError || error instanceof TypeError || error instanceof DOMException) {
            return null;
          }
          throw error;
        }
      }));
      const said = answers.filter((answer) => answer !== null);
      for (const { member, status } of said) {
        const votes = said.filter((other) => other.status.leader === status.header.member_id).length;
        if (votes * 2 > this.#seats.length) return member;
      }
    });
  }

  /** Kills a member. */
  async kill({ name, process }: EtcdMember): Promise<void> {
    process.signal("SIGKILL");
    await process.status;
    this.#processes.delete(name);
  }

  /** Starts a member that was killed. @param state `--initial-cluster-state`: "new" when it has lost its files */
  restart({ name }: EtcdMember, state: "new" | "existing" = "existing"): void {
    const seat = this.#seats.find((seat) => seat.name === name);
    if (seat !== undefined) this.#start(seat, state);
  }

  /** Lets nothing pass between a member and the others. */
  isolate({ process }: EtcdMember): void {
    this.#isolated = process.pid;
  }

  /** Ends an isolation; connections on which bytes were lost end. */
  heal(): void {
    this.#isolated = null;
    for (const { relay } of this.#seats) relay.cutAll();
  }

  /** Compacts the history up to now, at all members. @returns the revision */
  async compact(): Promise<number> {
    const { url } = await this.leader();
    const { header } = await call<Status>(url, "/v3/maintenance/status", {});
    await call(url, "/v3/kv/compaction", { revision: header.revision, physical: true });
    return Number(header.revision);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) {
      member.process.signal("SIGCONT");
      await this.kill(member);
    }
    for (const { relay } of this.#seats) await relay[Symbol.asyncDispose]();
  }

  #start({ name, clientPort, peerPort }: Seat, state: "new" | "existing"): void {
    const { directory, quotaBytes, flags: further } = this.#options;
    const cluster = this.#seats.map(({ name, relay }) => `${name}=http://127.0.0.1:${relay.port}`).join(",");
    const own = this.#seats.find((seat) => seat.name === name)?.relay.port;
    const flags = {
      "name": name,
      "data-dir": `${directory}/${name}`,
      "listen-client-urls": `http://127.0.0.1:${clientPort}`,
      "advertise-client-urls": `http://127.0.0.1:${clientPort}`,
      "listen-peer-urls": `http://127.0.0.1:${peerPort}`,
      "initial-advertise-peer-urls": `http://127.0.0.1:${own}`,
      "initial-cluster": cluster,
      "initial-cluster-state": state,
      "heartbeat-interval": 50,
      "election-timeout": 500,
      "pre-vote": true,
      "logger": "zap",
      "log-level": "error",
      ...(quotaBytes === undefined ? {} : { "quota-backend-bytes": quotaBytes }),
      ...further,
    };
    const words = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    // etcd takes flags from ETCD_* variables too.
    const path = Deno.env.get("PATH") ?? "";
    const outputFile = `${directory}/${name}.log`;
    this.#processes.set(name, new RunningProcess("env", ["-i", `PATH=${path}`, "etcd", ...words], { outputFile }));
  }
}

/** Copies a directory, such as the files of a member that is down. */
export async function copyDirectory(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyDirectory(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Removes what a failed start has left. */
async function removeFiles(path: string): Promise<void> {
  for (const file of [path, `${path}.log`]) {
    try {
      await Deno.remove(file, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // the member ended before it made it
    }
  }
}

/** An answer of etcd other than 200. */
export class EtcdCallError extends Error {
  override name = "EtcdCallError";
}

/** Asks a member directly. @throws EtcdCallError when it refuses @throws TypeError when there is no connection */
export async function call<T>(url: string, path: string, body: unknown): Promise<T> {
  const response = await fetch(url + path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { Connection: "close" },
    signal: AbortSignal.timeout(2000),
  });
  const text = await response.text();
  if (!response.ok) throw new EtcdCallError(text);
  return JSON.parse(text) as T;
}

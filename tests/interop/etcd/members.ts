/**
 * An etcd of one or three members for a test: ports and directories of their own, on 127.0.0.1, without a setting from the environment.
 * Main isolate of a test.
 *
 * The members reach each other through relays (peer_relay.ts), so that one can be isolated.
 */
import { freePort, RunningProcess, waitFor } from "../../../bench/peer/processes.ts";
import type { Certificates } from "./certificates.ts";
import { HERE, type Place } from "../cluster/places.ts";
import { PeerRelay } from "./peer_relay.ts";

/** How etcd is started. */
export interface EtcdOptions {
  /** Where the members keep their files. */
  readonly directory: string;
  /** 1 or 3. */
  readonly members?: number;
  /** `--quota-backend-bytes` */
  readonly quotaBytes?: number;
  /** The members then speak HTTPS with clients, and ask for their certificates. */
  readonly certificates?: Certificates;
  /** Further flags of every member, without "--"; they replace others of the same name. */
  readonly flags?: Readonly<Record<string, string | number | boolean>>;
  /** Where ports come from. */
  readonly port?: () => number;
  /** Where "m0" and the others run, on 127.0.0.1 by default. Elsewhere the members reach each other without relays, and `isolate` does nothing. */
  readonly placeOf?: (name: string) => Place;
}

/** A member that has just begun to listen does not answer what it is asked then, but a later request. */
const STATUS_MS = 300;

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
  readonly place: Place;
}

/** The members. Disposal kills them: their directories are temporary. */
export class Etcd implements AsyncDisposable {
  readonly #options: EtcdOptions;
  readonly #seats: Seat[];
  readonly #processes = new Map<string, RunningProcess>();
  readonly #client: Deno.HttpClient | undefined;
  #isolated: number | null = null;

  private constructor(options: EtcdOptions) {
    this.#options = options;
    const { certificates } = options;
    this.#client = certificates && Deno.createHttpClient({ caCerts: [certificates.ca], ...certificates.client });
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
      const place = options.placeOf?.(name) ?? HERE;
      return { name, clientPort: port(), peerPort, relay: new PeerRelay(peerPort, links), place };
    });
  }

  /** Starts all members. @returns when they have a leader */
  static async start(options: EtcdOptions): Promise<Etcd> {
    for (let attempt = 1;; attempt++) {
      const etcd = new Etcd(options);
      try {
        // A member asks the others first. One that listens and does not serve yet would keep it waiting for a second.
        for (const seat of etcd.#seats) {
          etcd.#start(seat, "new");
          await etcd.#whileAllRun(`${seat.name} serves the others`, () => servesPeers(seat));
        }
        await etcd.#whileAllRun("etcd has a leader", () => etcd.#findLeader());
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

  /** Waits for a condition. @throws Error as soon as a member has ended */
  async #whileAllRun<T>(what: string, condition: () => Promise<T | undefined>): Promise<void> {
    const ended = await waitFor(what, async () => {
      const ended = this.members.find(({ process }) => !process.running);
      return ended ?? (await condition() === undefined ? undefined : null);
    });
    if (ended !== null) throw new Error(`${ended.name} has ended`);
  }

  /** The members, those that were killed left out. */
  get members(): EtcdMember[] {
    return this.#seats.flatMap((seat) => {
      const { name, clientPort } = seat;
      const process = this.#processes.get(name);
      return process === undefined ? [] : [{ name, clientPort, url: this.#url(seat), process }];
    });
  }

  /** Endpoints of all members. */
  get urls(): string[] {
    return this.#seats.map((seat) => this.#url(seat));
  }

  /** The member that leads, when most members say so. */
  leader(): Promise<EtcdMember> {
    return waitFor("etcd has a leader", () => this.#findLeader());
  }

  /** Asks the first member directly. @param token of a user @throws EtcdCallError when it refuses @throws TypeError when there is no connection */
  call<T>(path: string, body: unknown, token?: string): Promise<T> {
    return call(this.urls[0] ?? "", path, body, { client: this.#client, token });
  }

  async #findLeader(): Promise<EtcdMember | undefined> {
    const answers = await Promise.all(this.members.map(async (member) => {
      try {
        const status = await call<Status>(member.url, "/v3/maintenance/status", {}, {
          client: this.#client,
          timeMs: STATUS_MS,
        });
        return { member, status };
      } catch (error) {
        if (error instanceof EtcdCallError || error instanceof TypeError || error instanceof DOMException) return null;
        throw error;
      }
    }));
    const said = answers.filter((answer) => answer !== null);
    return said.find(({ status }) => {
      const votes = said.filter((other) => other.status.leader === status.header.member_id).length;
      return votes * 2 > this.#seats.length;
    })?.member;
  }

  #url({ clientPort, place }: Seat): string {
    return `${this.#options.certificates === undefined ? "http" : "https"}://${place.host}:${clientPort}`;
  }

  /** Kills a member. */
  async kill({ name, process }: EtcdMember): Promise<void> {
    await process.kill();
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
    const { header } = await call<Status>(url, "/v3/maintenance/status", {}, { client: this.#client });
    await call(url, "/v3/kv/compaction", { revision: header.revision, physical: true }, { client: this.#client });
    return Number(header.revision);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) {
      member.process.signal("SIGCONT");
      await this.kill(member);
    }
    for (const { relay } of this.#seats) await relay[Symbol.asyncDispose]();
    this.#client?.close();
  }

  #start(seat: Seat, state: "new" | "existing"): void {
    const { name, peerPort, place } = seat;
    const { directory, quotaBytes, certificates, flags: further } = this.#options;
    const cluster = this.#seats.map((seat) => `${seat.name}=${peerUrl(seat)}`).join(",");
    const flags = {
      "name": name,
      "data-dir": `${directory}/${name}`,
      "listen-client-urls": this.#url(seat),
      "advertise-client-urls": this.#url(seat),
      "listen-peer-urls": `http://${place.host}:${peerPort}`,
      "initial-advertise-peer-urls": peerUrl(seat),
      "initial-cluster": cluster,
      "initial-cluster-state": state,
      "heartbeat-interval": 50,
      "election-timeout": 500,
      "pre-vote": true,
      "logger": "zap",
      "log-level": "error",
      ...(quotaBytes === undefined ? {} : { "quota-backend-bytes": quotaBytes }),
      ...certificates?.flags,
      ...further,
    };
    const words = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    // etcd takes flags from ETCD_* variables too.
    const path = Deno.env.get("PATH") ?? "";
    const outputFile = `${directory}/${name}.log`;
    const [command = "", ...args] = [...place.words, "env", "-i", `PATH=${path}`, "etcd", ...words];
    this.#processes.set(name, new RunningProcess(command, args, { outputFile }));
  }
}

/** By which the other members reach it. */
function peerUrl({ place, peerPort, relay }: Seat): string {
  return `http://${place.host}:${place === HERE ? relay.port : peerPort}`;
}

/** Whether a member answers the others. @throws TypeError when it does not listen, which counts as not yet */
async function servesPeers({ peerPort, place }: Seat): Promise<true | undefined> {
  const response = await fetch(`http://${place.host}:${peerPort}/version`, {
    headers: { Connection: "close" },
    signal: AbortSignal.timeout(STATUS_MS),
  });
  await response.body?.cancel();
  return response.ok || undefined;
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

/**
 * Asks a member directly.
 * @param as with which connections, by which user's token, and how long it may take
 * @throws EtcdCallError when it refuses @throws TypeError when there is no connection
 */
export async function call<T>(
  url: string,
  path: string,
  body: unknown,
  as: { client?: Deno.HttpClient; token?: string; timeMs?: number } = {},
): Promise<T> {
  const response = await fetch(url + path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { Connection: "close", ...(as.token === undefined ? {} : { Authorization: as.token }) },
    signal: AbortSignal.timeout(as.timeMs ?? 2000),
    client: as.client,
  });
  const text = await response.text();
  if (!response.ok) throw new EtcdCallError(text);
  return JSON.parse(text) as T;
}

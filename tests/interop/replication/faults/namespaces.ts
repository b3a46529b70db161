/**
 * A network for a test: a network namespace for each program, joined by a bridge which the test's own namespace is on too. Packets between
 * two of them can be lost, in one direction or both: without an error, a reset or a broken link, as behind a failed switch. Needs root and
 * iproute2. Main isolate of a test.
 *
 * ```
 *   broker-1 ── veth ──┐
 *   broker-2 ── veth ──┼─ bridge ── the test and its clients
 *   m0       ── veth ──┘
 * ```
 *
 * A cut is a fixed neighbour in the sender's namespace: an Ethernet address that nobody has. So it takes hold of connections that exist as
 * well as of new ones, and needs no packet filter, which not every kernel has.
 * Source: ip-netns(8), ip-neighbour(8), nsenter(1).
 */
import { exists } from "../../../../bench/peer/install.ts";
import type { Place } from "../../cluster/places.ts";

/** The test's own namespace, where its clients are. */
export const TEST = "test";

/** Locally administered, and nobody's. */
const NOBODY = "02:00:00:00:00:ff";
const HOSTS_MAX = 250;

/** The network. Disposal removes it; programs in it must have ended. */
export class NamespaceNetwork implements Disposable {
  readonly #prefix: string;
  readonly #subnet: string;
  readonly #names: string[] = [];

  /** @throws NamespaceError when this process may not, or has no iproute2 */
  constructor() {
    removeLeftOvers();
    const random = crypto.getRandomValues(new Uint8Array(2));
    this.#prefix = `${PREFIX}${Deno.pid}x${networks++}`;
    this.#subnet = `10.${random[0]}.${random[1]}`;
    ip("link", "add", this.#bridge, "type", "bridge");
    try {
      ip("addr", "add", `${this.#subnet}.${HOSTS_MAX + 1}/24`, "dev", this.#bridge);
      ip("link", "set", this.#bridge, "up");
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** The namespace of a program, which is made when it is asked for first. */
  placeOf(name: string): Place {
    const place = { host: this.#hostOf(name), words: ["nsenter", `--net=/run/netns/${this.#namespaceOf(name)}`, "--"] };
    if (this.#names.includes(name)) return place;
    if (this.#names.length === HOSTS_MAX) throw new Error(`A network has at most ${HOSTS_MAX} programs`);
    this.#names.push(name);
    const [namespace, outer] = [this.#namespaceOf(name), `${this.#prefix}v${this.#names.length}`];
    ip("netns", "add", namespace);
    ip("link", "add", outer, "type", "veth", "peer", "name", INNER, "netns", namespace);
    ip("link", "set", outer, "master", this.#bridge, "up");
    ip("-n", namespace, "addr", "add", `${this.#hostOf(name)}/24`, "dev", INNER);
    for (const device of [INNER, "lo"]) ip("-n", namespace, "link", "set", device, "up");
    return place;
  }

  /** From now on packets from one program to another are lost. */
  cut(from: string, to: string): void {
    this.#neighbour("replace", { from, to }, ["lladdr", NOBODY, "nud", "permanent"]);
  }

  /** From now on no packets pass between a program and some others, by default all, in both directions. */
  isolate(name: string, others: readonly string[] = [...this.#names, TEST]): void {
    for (const other of others) {
      if (other === name) continue;
      this.cut(name, other);
      this.cut(other, name);
    }
  }

  /** Ends all cuts. */
  heal(): void {
    const all = [...this.#names, TEST];
    for (const from of all) {
      const [inNamespace, device] = this.#deviceOf(from);
      const lost = ip(...inNamespace, "neigh", "show", "dev", device, "nud", "permanent");
      for (const to of all) {
        if (lost.includes(`${this.#hostOf(to)} lladdr ${NOBODY}`)) this.#neighbour("del", { from, to });
      }
    }
  }

  [Symbol.dispose](): void {
    for (const name of this.#names.splice(0)) ip("netns", "del", this.#namespaceOf(name));
    ip("link", "del", this.#bridge);
  }

  get #bridge(): string {
    return `${this.#prefix}b`;
  }

  #namespaceOf(name: string): string {
    return `${this.#prefix}-${name}`;
  }

  #hostOf(name: string): string {
    if (name === TEST) return `${this.#subnet}.${HOSTS_MAX + 1}`;
    const index = this.#names.indexOf(name);
    return `${this.#subnet}.${(index < 0 ? this.#names.length : index) + 1}`;
  }

  #deviceOf(name: string): [inNamespace: string[], device: string] {
    return name === TEST ? [[], this.#bridge] : [["-n", this.#namespaceOf(name)], INNER];
  }

  #neighbour(verb: string, { from, to }: { from: string; to: string }, words: readonly string[] = []): void {
    const [inNamespace, device] = this.#deviceOf(from);
    ip(...inNamespace, "neigh", verb, this.#hostOf(to), "dev", device, ...words);
  }
}

/** Whether this process may make networks. */
export function mayMakeNetworks(): boolean {
  try {
    using network = new NamespaceNetwork();
    network.placeOf("probe");
    return true;
  } catch (error) {
    if (error instanceof NamespaceError) return false;
    throw error;
  }
}

/** Names of interfaces have 15 characters at most: this, a process id, and a few more. */
const PREFIX = "bn";
const INNER = "eth0";
let networks = 0;

class NamespaceError extends Error {
  override name = "NamespaceError";
}

/** Removes what processes that were killed have left. */
function removeLeftOvers(): void {
  const owner = new RegExp(`^${PREFIX}(\\d+)x`);
  const isLeft = (name: string) => {
    const pid = owner.exec(name)?.[1];
    return pid !== undefined && !exists(`/proc/${pid}`);
  };
  const found = (...words: string[]) => (JSON.parse(ip("-j", ...words) || "[]") as Named[]).map(nameOf).filter(isLeft);
  for (const name of found("netns", "list")) ip("netns", "del", name);
  for (const name of found("link", "show", "type", "bridge")) ip("link", "del", name);
}

interface Named {
  readonly name?: string;
  readonly ifname?: string;
}

function nameOf({ name, ifname }: Named): string {
  return name ?? ifname ?? "";
}

function ip(...args: readonly string[]): string {
  try {
    const { success, stdout, stderr } = new Deno.Command("ip", { args: [...args] }).outputSync();
    if (success) return new TextDecoder().decode(stdout);
    throw new NamespaceError(`Cannot ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new NamespaceError("Cannot find ip, which iproute2 has");
    throw error;
  }
}

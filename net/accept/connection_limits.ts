/**
 * Which connections are taken, and when: `max.connections`, `max.connections.per.ip` with its overrides, and the descriptors that
 * are kept for the logs. Runs on the main isolate.
 *
 * As in Kafka (ConnectionQuotas): at `max.connections` a listener accepts one more and holds it until another closes, while the rest
 * wait in the kernel's queue; one address too many is closed at once. Scarce descriptors make it wait, too, but not for long: nobody
 * knows whether partitions or an operator's limit will ever leave more, and a client that is closed can say so.
 *
 * Connections are counted by address only where a limit asks for it. The shard that closes one says so by the number that it
 * got here, because by then the socket may no longer know its peer.
 */
import { assert } from "../../storage/base/assert.ts";
import type { DescriptorBudget } from "./descriptor_budget.ts";

/** What limits connections. */
export interface ConnectionLimitOptions {
  /** `max.connections` */
  readonly maxConnections: number;
  /** `max.connections.per.ip` */
  readonly maxConnectionsPerIp: number;
  /** `max.connections.per.ip.overrides` */
  readonly maxConnectionsPerIpOverrides: Readonly<Record<string, number>>;
  readonly descriptors: DescriptorBudget;
  /** Open connections, those of all shards. */
  readonly openCount: () => number;
  /** Partitions of this broker. */
  readonly partitionsCount: () => number;
}

/** Why no connection may be handed to a shard at the moment. */
export interface Obstacle {
  readonly text: string;
  /** Whether connections are closed when it lasts. */
  readonly closes: boolean;
}

/** A connection that is not counted by its address. */
export const UNCOUNTED = 0;
/** Kafka's "no limit". */
const NO_LIMIT = 2 ** 31 - 1;
/** Numbers of counted connections go round: they travel in a word of 32 bits. */
const PEER_MAX = 2 ** 31 - 1;

/** The limits and what is counted for them. */
export class ConnectionLimits {
  readonly #options: ConnectionLimitOptions;
  readonly #isPerAddress: boolean;
  readonly #counts = new Map<string, number>();
  readonly #hosts = new Map<number, string>();
  #lastPeer = UNCOUNTED;
  #refusedCount = 0;

  constructor(options: ConnectionLimitOptions) {
    this.#options = options;
    const { maxConnectionsPerIp, maxConnectionsPerIpOverrides } = options;
    this.#isPerAddress = maxConnectionsPerIp < NO_LIMIT || Object.keys(maxConnectionsPerIpOverrides).length > 0;
  }

  /** Connections closed because their address had too many, ever. */
  get refusedCount(): number {
    return this.#refusedCount;
  }

  /**
   * Why no connection may be handed to a shard at the moment, null when one may.
   * @param nextDescriptor number that the next descriptor would get
   */
  obstacle(nextDescriptor: number): Obstacle | null {
    const { maxConnections, descriptors, openCount, partitionsCount } = this.#options;
    const connections = openCount();
    if (connections >= maxConnections) {
      return { text: `there are ${maxConnections} connections (max.connections)`, closes: false };
    }
    const refusal = descriptors.refuseConnection({ logs: partitionsCount(), connections }, nextDescriptor);
    return refusal === null ? null : { text: refusal, closes: true };
  }

  /**
   * Counts a connection.
   * @param host the client's address
   * @returns its number, for `onClosed()`: UNCOUNTED where addresses have no limit; or the sentence that refuses it
   */
  admit(host: string): number | { readonly refused: string } {
    if (!this.#isPerAddress) return UNCOUNTED;
    const address = plainAddress(host);
    const { maxConnectionsPerIp, maxConnectionsPerIpOverrides } = this.#options;
    const most = maxConnectionsPerIpOverrides[address] ?? maxConnectionsPerIp;
    const count = this.#counts.get(address) ?? 0;
    if (count >= most) {
      this.#refusedCount++;
      return { refused: `Closed a connection from ${address}: it has ${count} (max.connections.per.ip)` };
    }
    this.#counts.set(address, count + 1);
    const peer = this.#nextPeer();
    this.#hosts.set(peer, address);
    return peer;
  }

  /** Takes connections out of the counts. @param peers from `admit()`; UNCOUNTED is fine */
  onClosed(peers: readonly number[]): void {
    for (const peer of peers) {
      const address = this.#hosts.get(peer);
      if (address === undefined) continue;
      this.#hosts.delete(peer);
      const left = (this.#counts.get(address) ?? 0) - 1;
      assert(left >= 0, "a counted connection closes once");
      if (left === 0) this.#counts.delete(address);
      else this.#counts.set(address, left);
    }
  }

  #nextPeer(): number {
    do this.#lastPeer = this.#lastPeer === PEER_MAX ? 1 : this.#lastPeer + 1; while (this.#hosts.has(this.#lastPeer));
    return this.#lastPeer;
  }
}

/** An IPv4 address that came in by an IPv6 socket, as IPv4. */
function plainAddress(host: string): string {
  return host.startsWith("::ffff:") && host.includes(".") ? host.slice("::ffff:".length) : host;
}

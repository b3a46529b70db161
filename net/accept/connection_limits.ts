/**
 * Which connections are taken, and when. Limits are `max.connections`, `max.connections.per.ip` with its overrides, and the
 * descriptors that are kept for the logs. Runs on the main isolate.
 *
 * As in Kafka (ConnectionQuotas): at `max.connections` a listener accepts one more connection and holds it until another one closes,
 * while the others wait in the kernel's queue. A connection above the limit of its address is closed at once. When descriptors are
 * scarce, connections wait too, but not for long: it is unknown whether descriptors will ever become free, and a client whose
 * connection was closed can report that. A listener that only other brokers use (`inter.broker.listener.name`) does not wait for
 * `max.connections`; its connections count. Not done: Kafka then closes the connection of a client that was idle for longest.
 *
 * Connections are counted by address, whether a limit needs it or not: limits change while the broker runs. The shard that closes a
 * connection reports the number that the connection got here, because by then the socket may no longer know its peer.
 */
import { assert } from "../../storage/base/assert.ts";
import type { DescriptorBudget } from "./descriptor_budget.ts";

/** The listeners, and the name of that for other brokers. */
export interface ListenerNames {
  readonly listeners: readonly { readonly name: string }[];
  readonly interBrokerListenerName: string;
}

/** The settings, which may change at any time. */
export interface ConnectionSettings extends ListenerNames {
  /** `max.connections` */
  readonly maxConnections: number;
  /** `max.connections.per.ip` */
  readonly maxConnectionsPerIp: number;
  /** `max.connections.per.ip.overrides` */
  readonly maxConnectionsPerIpOverrides: Readonly<Record<string, number>>;
}

/** Limits, and the counts that they are compared with. */
export interface ConnectionLimitOptions {
  readonly config: ConnectionSettings;
  readonly descriptors: DescriptorBudget;
  /** Open connections of all shards. */
  readonly openCount: () => number;
  /** Partitions of this broker. */
  readonly partitionsCount: () => number;
}

/** Why no connection may be handed to a shard at the moment. */
export interface Obstacle {
  readonly text: string;
  /** Whether new connections are closed when the obstacle lasts. */
  readonly closes: boolean;
}

/** The number of a connection that is not counted by its address. */
export const UNCOUNTED = 0;
/** Numbers of counted connections wrap here, because they travel in a word of 32 bits. */
const PEER_MAX = 2 ** 31 - 1;

/** The limits, and the counts of connections by address. */
export class ConnectionLimits {
  readonly #options: ConnectionLimitOptions;
  readonly #counts = new Map<string, number>();
  readonly #hosts = new Map<number, string>();
  #lastPeer = UNCOUNTED;
  #refusedCount = 0;

  constructor(options: ConnectionLimitOptions) {
    this.#options = options;
  }

  /** Connections ever closed because their address had too many. */
  get refusedCount(): number {
    return this.#refusedCount;
  }

  /**
   * Says why no connection may be handed to a shard at the moment.
   * @param nextDescriptor number that the next descriptor would get @param listener index of the listener
   * @returns null when one may be
   */
  obstacle(nextDescriptor: number, listener = 0): Obstacle | null {
    const { config, descriptors, openCount, partitionsCount } = this.#options;
    const { maxConnections } = config;
    const connections = openCount();
    if (connections >= maxConnections && !isForBrokers(config, listener)) {
      return { text: `there are ${maxConnections} connections (max.connections)`, closes: false };
    }
    const refusal = descriptors.refuseConnection({ logs: partitionsCount(), connections }, nextDescriptor);
    return refusal === null ? null : { text: refusal, closes: true };
  }

  /**
   * Counts a connection.
   * @param host the client's address
   * @returns its number for `onClosed()`, or the sentence that refuses it
   */
  admit(host: string): number | { readonly refused: string } {
    const address = plainAddress(host);
    const { maxConnectionsPerIp, maxConnectionsPerIpOverrides } = this.#options.config;
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

  /** Removes connections from the counts. @param peers from `admit()`; UNCOUNTED is ignored */
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

/** Whether only other brokers use a listener. @param listener its index */
export function isForBrokers({ listeners, interBrokerListenerName }: ListenerNames, listener: number): boolean {
  return listeners.length > 1 && listeners[listener]?.name === interBrokerListenerName;
}

/** An address as text; an IPv4 address that arrived on an IPv6 socket becomes plain IPv4. */
export function plainAddress(host: string): string {
  return host.startsWith("::ffff:") && host.includes(".") ? host.slice("::ffff:".length) : host;
}

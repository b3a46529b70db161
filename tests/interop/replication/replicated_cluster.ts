/**
 * What the rig asks of a cluster, so that Apache Kafka can take the place of the brokers under test. Main isolate of a test.
 */
import type { RunningProcess } from "../../../bench/peer/processes.ts";
import { KafkaClient } from "../../kafka_client.ts";
import type { Etcd } from "../etcd/members.ts";

/** A broker in a process of its own: the same port and directory at each start. */
export interface RigNode {
  readonly nodeId: number;
  readonly port: number;
  readonly dataDir: string;
  readonly process: RunningProcess;
  readonly isRunning: boolean;
  /** Starts it. @returns when it says that it has started */
  start(): Promise<void>;
  /** Kills it, and waits for its end. */
  kill(): Promise<void>;
  /** Stops it in order. @returns its exit code */
  stop(): Promise<number>;
}

/** Brokers that replicate, and the store of their metadata. */
export interface ReplicatedCluster extends AsyncDisposable {
  /** In the order of their ids, which begin with 1. */
  readonly nodes: readonly RigNode[];
  readonly bootstrapServers: string;
  /** null: the brokers keep metadata themselves (KRaft). */
  readonly etcd: Etcd | null;
}

/** Longest wait for an answer to a question that a healthy broker answers at once. */
export const ANSWER_MS = 1000;

/** Waits for an answer. @returns null when the broker has gone, or does not answer in time */
export async function ask<T>(
  node: { readonly port: number },
  call: (client: KafkaClient) => Promise<T>,
  withinMs = ANSWER_MS,
): Promise<T | null> {
  using link = new Link(node);
  return await link.ask(call, { withinMs });
}

/** A connection to a broker that may go away at any time: opened when it is needed, closed when an answer does not come. */
export class Link implements Disposable {
  readonly #node: { readonly port: number };
  #client: KafkaClient | null = null;
  /** Connections that were given up. */
  #closed = 0;
  #connection = 0;
  static #connections = 0;

  constructor(node: { readonly port: number }) {
    this.#node = node;
  }

  /**
   * Waits for an answer.
   * @param limits how long, and what else ends the wait
   * @returns null when the broker has gone, or does not answer in time: the connection is closed then
   */
  async ask<T>(
    call: (client: KafkaClient) => Promise<T>,
    { withinMs, unless }: { readonly withinMs: number; readonly unless?: Promise<void> },
  ): Promise<T | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), withinMs));
    const others = unless === undefined ? [late] : [late, unless.then(() => null)];
    try {
      const answer = await Promise.race([this.#call(call), ...others]);
      if (answer === null) this[Symbol.dispose]();
      return answer;
    } catch (error) {
      this[Symbol.dispose]();
      if (isAway(error)) return null;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Number of the connection that was opened last, as no other link has it. */
  get connection(): number {
    return this.#connection;
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
    this.#client = null;
    this.#closed++;
  }

  async #call<T>(call: (client: KafkaClient) => Promise<T>): Promise<T | null> {
    if (this.#client === null) {
      const closed = this.#closed;
      const client = await KafkaClient.connect(this.#node);
      if (closed !== this.#closed) {
        client[Symbol.dispose]();
        return null;
      }
      this.#client = client;
      this.#connection = ++Link.#connections;
    }
    return await call(this.#client);
  }
}

/** Whether a call failed because the broker is away, or because the connection was given up meanwhile. */
export function isAway(error: unknown): boolean {
  const { ConnectionRefused, ConnectionReset, ConnectionAborted, BrokenPipe, NotConnected, TimedOut } = Deno.errors;
  const { BadResource, Interrupted } = Deno.errors;
  const kinds = [
    ...[ConnectionRefused, ConnectionReset, ConnectionAborted, BrokenPipe, NotConnected, TimedOut],
    ...[BadResource, Interrupted],
  ];
  return kinds.some((kind) => error instanceof kind) ||
    error instanceof Error && error.name === "ConnectionClosedError";
}

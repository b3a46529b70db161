/**
 * Makes the connections to other brokers that shards ask for, and hands them over as those of clients are. Main isolate, which loads it for a
 * broker that is one of several.
 */
import type { ClusterParts } from "../../partitions/control.ts";
import { closeDescriptor } from "../../storage/control.ts";
import { Handoff } from "../accept/handoff.ts";
import type { WantedConnection } from "../shards/pool_events.ts";

/** What it uses of the pool of shards. */
export interface DialingShards {
  /** Transfers a connection. @returns false when the shards have ended */
  handOut(shard: number, connection: { id: number; fd: number }): boolean;
  /** There is no connection. */
  refuse(shard: number, id: number): void;
}

/** The attempts. */
export class OutgoingDials implements Disposable {
  readonly #dial: ReturnType<ClusterParts["brokerDial"]>;
  readonly #shards: DialingShards;
  readonly #report: (text: string) => void;
  readonly #handoff = new Handoff();
  readonly #ended = new AbortController();

  /** @param dial connects and logs in @param report tells the operator about what no other attempt will change */
  constructor(
    dial: ReturnType<ClusterParts["brokerDial"]>,
    { shards, report }: { shards: DialingShards; report: (text: string) => void },
  ) {
    this.#dial = dial;
    this.#shards = shards;
    this.#report = report;
  }

  /** Connects for a shard. Settles when the shard has the connection, or was told that there is none. */
  async connect(shard: number, { id, host, port }: WantedConnection): Promise<void> {
    const { signal } = this.#ended;
    try {
      const socket = await this.#dial({ host, port }, signal);
      if (signal.aborted) return socket.close();
      const fd = this.#handoff.take(socket);
      if (!this.#shards.handOut(shard, { id, fd })) closeDescriptor(fd);
    } catch (error) {
      if (signal.aborted) return;
      this.#report(`Cannot follow another broker: ${error instanceof Error ? error.message : error}`);
      this.#shards.refuse(shard, id);
    }
  }

  /** Ends all attempts. Idempotent. */
  [Symbol.dispose](): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#handoff[Symbol.dispose]();
  }
}

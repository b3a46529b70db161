/**
 * Checks the load of the shards every few seconds, and hands a partition over when one shard is the bottleneck (rebalancing.ts decides).
 * Runs on the main isolate; with one shard it does nothing at all.
 *
 * Always: at most one partition is being handed over.
 */
import { systemTimers, type Timers } from "../directory/checkpoint_writer.ts";
import type { MetadataImage } from "../metadata/image.ts";
import type { PartitionHandOver } from "../metadata/partition_hand_over.ts";
import { type PartitionLoad, type Rebalance, Rebalancing } from "./rebalancing.ts";
import { emptyWatermarks, partitionState, type WatermarkTable } from "../shared/watermarks.ts";

/** Time between two checks. A sleeping shard updates its `waited` word after a second at the latest. */
const LOOK_MS = 3000;

/** What the balancer reads and acts on. */
export interface BalancerParts {
  readonly shardsCount: number;
  readonly image: MetadataImage;
  readonly watermarks: WatermarkTable;
  /** Microseconds that a shard has waited for work since its start; wraps at 2^32. */
  readonly waitedUs: (shard: number) => number;
  /** Hands a partition over; settles with whether it was handed over. */
  readonly handOver: (handOver: PartitionHandOver) => Promise<boolean>;
  /** Reports to the operator what was handed over, or why it failed. */
  readonly report: (text: string) => void;
  readonly timers?: Timers;
  /** Monotonic time in ms; `performance.now()` by default. */
  readonly nowMs?: () => number;
}

/** The balancer; it checks the shards from its construction until `stop()`. */
export class Balancer {
  readonly #parts: BalancerParts;
  readonly #nowMs: () => number;
  readonly #rebalancing = new Rebalancing();
  readonly #row = emptyWatermarks();
  readonly #end: () => void = () => {};
  #waited: number[];
  #lookedMs: number;
  #handingOver: Promise<void> | null = null;

  constructor(parts: BalancerParts) {
    this.#parts = parts;
    this.#nowMs = parts.nowMs ?? (() => performance.now());
    this.#waited = this.#readWaited();
    this.#lookedMs = this.#nowMs();
    if (parts.shardsCount > 1) this.#end = (parts.timers ?? systemTimers).every(LOOK_MS, () => this.#look());
  }

  /** Ends the checks. Settles when the hand-over under way has ended. */
  async stop(): Promise<void> {
    this.#end();
    await this.#handingOver;
  }

  #look(): void {
    const nowMs = this.#nowMs();
    const waited = this.#readWaited();
    const passedUs = (nowMs - this.#lookedMs) * 1000;
    const busy = waited.map((us, shard) => {
      const waitedUs = (us - (this.#waited[shard] as number)) | 0;
      return 1 - Math.min(1, Math.max(0, waitedUs / passedUs));
    });
    [this.#waited, this.#lookedMs] = [waited, nowMs];
    if (this.#handingOver !== null) return;
    const rebalance = this.#rebalancing.look(busy, (shard) => this.#loadsOf(shard));
    if (rebalance === null) return;
    this.#handingOver = this.#handOver(rebalance).finally(() => this.#handingOver = null);
  }

  async #handOver(rebalance: Rebalance): Promise<void> {
    for (const { name, id, partitions } of this.#parts.image.topics()) {
      const place = partitions.find(({ slot }) => slot === rebalance.slot);
      if (place === undefined) continue;
      const { partition, shard } = place;
      try {
        if (!await this.#parts.handOver({ topicId: id, partition, shard: rebalance.shard })) return;
        this.#rebalancing.handedOver(rebalance);
        this.#parts.report(`Moved ${name}-${partition} from shard ${shard}, a bottleneck, to shard ${rebalance.shard}`);
      } catch (error) {
        this.#parts.report(
          `Cannot move ${name}-${partition}: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
      return;
    }
  }

  #readWaited(): number[] {
    return Array.from({ length: this.#parts.shardsCount }, (_, shard) => this.#parts.waitedUs(shard));
  }

  #loadsOf(shard: number): PartitionLoad[] {
    const loads: PartitionLoad[] = [];
    for (const { isInternal, partitions } of this.#parts.image.topics()) {
      for (const { shard: owner, slot } of partitions) {
        if (owner !== shard) continue;
        const { state, logEndBytes } = this.#parts.watermarks.read(slot, this.#row);
        loads.push({ slot, bytes: logEndBytes, mayGo: !isInternal && state === partitionState.open });
      }
    }
    return loads;
  }
}

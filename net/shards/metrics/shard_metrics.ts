/** What a shard counts for the metrics. Runs on shards. */
import { isHere, PartitionTraffic, ShardCounters, type SharedState, type TopicImage } from "../../../partitions/mod.ts";

/** The counters of one shard. */
export class ShardMetrics {
  readonly counters: ShardCounters;
  readonly traffic: PartitionTraffic;

  /** @param state the shared memory @param shard its number */
  constructor(state: SharedState, shard: number) {
    this.counters = new ShardCounters(state.counters[shard] as SharedArrayBuffer);
    this.traffic = new PartitionTraffic(state.traffic[shard] as SharedArrayBuffer, this.counters);
  }

  /** The partitions of these topics end: their rows may be those of other topics next. */
  forget(deleted: readonly TopicImage[]): void {
    for (const { partitions } of deleted) {
      for (const place of partitions) if (isHere(place)) this.traffic.forget(place.slot);
    }
  }
}

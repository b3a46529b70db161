/**
 * What clients wrote and read of each topic of this broker. As Kafka's BrokerTopicMetrics, a topic's counts live from its first partition
 * here until the last one leaves, and do not fall meanwhile: Prometheus would take that for a restart, and count the rest once more. So what
 * partitions have that leave is kept with the topic. A topic that is deleted and created again begins anew. Main isolate.
 */
import {
  addCounts,
  type CounterReader,
  isHere,
  noTraffic,
  type PartitionImage,
  type TopicImage,
  type TrafficCounts,
} from "../../../partitions/control.ts";

/** Topics that have series of their own, in the order of their creation; the series of all topics count each. */
export const TOPICS_MAX = 1000;

/** The counts of a topic. */
interface Counted {
  /** Of its partitions on this broker, as read last. */
  readonly here: readonly (Pick<PartitionImage, "partition" | "slot"> & { readonly counts: TrafficCounts })[];
  /** Of those that have left. */
  readonly left: TrafficCounts;
}

/** Topics with their counts. */
export interface CountedTopics {
  readonly topics: readonly { readonly topic: string; readonly counts: TrafficCounts }[];
  /** Topics without counts of their own, because there are too many. */
  readonly leftOutCount: number;
}

/** The traffic by topic. */
export class TopicTraffic {
  readonly #counters: Pick<CounterReader, "trafficOf">;
  /** By the topic's id. */
  #counted: ReadonlyMap<string, Counted> = new Map();

  /** @param counters of the shards */
  constructor(counters: Pick<CounterReader, "trafficOf">) {
    this.#counters = counters;
  }

  /** Reads what the topics have. @param images all topics of the cluster */
  read(images: Iterable<TopicImage>): CountedTopics {
    const counted = new Map<string, Counted>();
    const topics: { topic: string; counts: TrafficCounts }[] = [];
    let topicsCount = 0;
    for (const { id, name, partitions } of images) {
      const places = partitions.filter(isHere);
      if (places.length === 0 || ++topicsCount > TOPICS_MAX) continue;
      const left = leftBy(this.#counted.get(id), partitions);
      const here = places.map(({ partition, slot }) => ({ partition, slot, counts: this.#counters.trafficOf(slot) }));
      counted.set(id, { here, left });
      topics.push({ topic: name, counts: sumOf({ here, left }) });
    }
    this.#counted = counted;
    return { topics, leftOutCount: topicsCount - topics.length };
  }
}

/** What the partitions of a topic have that are here no more, or came back to another row. */
function leftBy(last: Counted | undefined, partitions: readonly PartitionImage[]): TrafficCounts {
  const left = last?.left ?? noTraffic();
  for (const { partition, slot, counts } of last?.here ?? []) {
    if (partitions[partition]?.slot !== slot) addCounts(counts, left);
  }
  return left;
}

function sumOf({ here, left }: Counted): TrafficCounts {
  const sum = { ...left };
  for (const { counts } of here) addCounts(counts, sum);
  return sum;
}

/** Which partitions a shard has to remove after a change of the image. Pure; shards. */
import { isHere, type TopicImage } from "../../partitions/mod.ts";

/** A topic with the partitions that this broker has lost: their creation was undone, or the replica went to another broker. */
export function lostPartitions(before: TopicImage | undefined, { partitions }: TopicImage): TopicImage[] {
  const lost =
    before?.partitions.filter((place) => isHere(place) && partitions[place.partition]?.slot !== place.slot) ?? [];
  return before === undefined || lost.length === 0 ? [] : [{ ...before, partitions: lost }];
}

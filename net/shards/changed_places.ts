/** Which partitions begin and end on this broker with a change of the image. Pure; shards. */
import { isHere, type TopicImage } from "../../partitions/mod.ts";

/**
 * A topic with the partitions that have their place on this broker in one version of it alone. Those only in the earlier version end here:
 * their creation was undone, or the replica went to another broker. Those only in the later one begin.
 * @param topic undefined where it does not exist @param other the other version
 */
export function placedOnlyIn(topic: TopicImage | undefined, other: TopicImage | undefined): TopicImage[] {
  if (topic === undefined) return [];
  const places = topic.partitions.filter((place) =>
    isHere(place) && other?.partitions[place.partition]?.slot !== place.slot
  );
  return places.length === 0 ? [] : [{ ...topic, partitions: places }];
}

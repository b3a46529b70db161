/**
 * A hash of the topics that a group subscribes to, with ids and partition counts: when it changes, the group needs a new assignment.
 * Pure; runs on shards. Kafka's hash is an XXH3 of the same data and racks, so a directory that moves between Kafka and this broker
 * causes one more rebalance.
 *
 * The hash is the sum of the topics' hashes, so that their order does not matter.
 */
import type { MetadataImage, TopicImage } from "../../../metadata/image.ts";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const OTHER_OFFSET = 0x9747b28c;

/** Topics are immutable, so each is hashed once. */
const known = new WeakMap<TopicImage, { readonly high: number; readonly low: number }>();

/** Computes the hash; topics that do not exist do not count. @returns 0n without topics */
export function hashTopics(image: MetadataImage, topicNames: Iterable<string>): bigint {
  let high = 0;
  let low = 0;
  for (const name of topicNames) {
    const topic = image.topic(name);
    if (topic === undefined) continue;
    const hash = hashOf(topic);
    high = (high + hash.high) | 0;
    low = (low + hash.low) | 0;
  }
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
}

function hashOf(topic: TopicImage): { readonly high: number; readonly low: number } {
  let hash = known.get(topic);
  if (hash === undefined) {
    const text = `${topic.id} ${topic.partitions.length}`;
    known.set(topic, hash = { high: fnv(text, FNV_OFFSET), low: fnv(text, OTHER_OFFSET) });
  }
  return hash;
}

function fnv(text: string, offset: number): number {
  let hash = offset;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  return hash ^ (hash >>> 15);
}

/**
 * Which partition of `__consumer_offsets` holds a group. Pure; any isolate.
 * Source: Kafka's GroupCoordinatorService.partitionFor and java.lang.String.hashCode.
 */

/** Topic of committed offsets and group state. */
export const OFFSETS_TOPIC = "__consumer_offsets";

/**
 * The partition of `__consumer_offsets` for a group.
 * @param partitionsCount of the topic: its own once it exists, before that `offsets.topic.num.partitions`
 */
export function offsetsPartitionOf(groupId: string, partitionsCount: number): number {
  const hash = javaHash(groupId);
  // Kafka's Utils.abs: the one hash without a positive counterpart counts as 0.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionsCount;
}

/** Java's hash of a string, a signed 32-bit number. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  return hash;
}

/**
 * Computes which partition of a coordinator's internal topic holds the state of a key, such as a group in `__consumer_offsets`.
 * Pure; any isolate.
 * Source: Kafka's GroupCoordinatorService.partitionFor, TransactionStateManager.partitionFor and java.lang.String.hashCode.
 */

/** The topic of committed offsets and group state. */
export const OFFSETS_TOPIC = "__consumer_offsets";

/**
 * Finds the partition of the topic for a key.
 * @param key a group id
 * @param partitionsCount of the topic; before the topic exists, the count it will be created with (`offsets.topic.num.partitions`)
 * @returns the index of the partition
 */
export function partitionOfKey(key: string, partitionsCount: number): number {
  const hash = javaHash(key);
  // Like Kafka's Utils.abs: the smallest hash has no positive counterpart and counts as 0.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionsCount;
}

/** Computes Java's hash of a string. @returns a signed 32-bit number */
export function javaHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  return hash;
}

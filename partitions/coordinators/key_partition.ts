/**
 * Which partition of a coordinator's internal topic holds the state of a key: of a group in `__consumer_offsets`. Pure; any isolate.
 * Source: Kafka's GroupCoordinatorService.partitionFor, TransactionStateManager.partitionFor and java.lang.String.hashCode.
 */

/** Topic of committed offsets and group state. */
export const OFFSETS_TOPIC = "__consumer_offsets";

/**
 * The partition of the topic for a key.
 * @param key a group id
 * @param partitionsCount of the topic: its own once it exists, before that what it will be created with (`offsets.topic.num.partitions`)
 */
export function partitionOfKey(key: string, partitionsCount: number): number {
  const hash = javaHash(key);
  // Kafka's Utils.abs: the one hash without a positive counterpart counts as 0.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionsCount;
}

/** Java's hash of a string, a signed 32-bit number. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  return hash;
}

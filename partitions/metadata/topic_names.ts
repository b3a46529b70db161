/**
 * The names that a topic may have. Pure; any isolate.
 *
 * Source: Kafka's org.apache.kafka.common.internals.Topic, with its sentences.
 */

/** Longest name: with "-" and the partition number it is still a valid file name. */
export const TOPIC_NAME_CHARACTERS_MAX = 249;
/** Kafka's log of metadata (KRaft): never a topic of clients, and its directory is left untouched. */
export const CLUSTER_METADATA_TOPIC = "__cluster_metadata";

const LEGAL = /^[a-zA-Z0-9._-]+$/;
const internalTopics: ReadonlySet<string> = new Set([
  "__consumer_offsets",
  "__transaction_state",
  "__share_group_state",
]);

/** Checks a name. @returns null, or Kafka's sentence for INVALID_TOPIC_EXCEPTION */
export function refuseTopicName(name: string): string | null {
  const why = detectInvalid(name);
  return why === null ? null : `Topic name is invalid: ${why}`;
}

/** Whether a topic is one of Kafka's internal topics. */
export function isInternalTopic(name: string): boolean {
  return internalTopics.has(name);
}

/** The key that colliding names share: metrics do not distinguish '.' from '_'. Null for a name with neither. */
export function collisionKey(name: string): string | null {
  return /[._]/.test(name) ? name.replaceAll(".", "_") : null;
}

function detectInvalid(name: string): string | null {
  if (name === "") return "the empty string is not allowed";
  if (name === "." || name === "..") return `'${name}' is not allowed`;
  if (name.length > TOPIC_NAME_CHARACTERS_MAX) {
    return `the length of '${name}' is longer than the max allowed length ${TOPIC_NAME_CHARACTERS_MAX}`;
  }
  return LEGAL.test(name)
    ? null
    : `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
}

/**
 * Parses `--topic name[:partitions[:key=value]...]`. Pure; the main isolate runs it.
 */
import { nearestName } from "../nearest_name.ts";
import { validateTopicConfigs } from "../topics/topic_configs.ts";
import { topicDefinitions } from "../topics/topic_definitions.ts";

/** A topic that must exist when the broker is ready. */
export interface TopicOption {
  readonly name: string;
  /** `num.partitions` by default. */
  readonly partitions?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

/** Most partitions of one option, so that a mistyped number does not fill the disk with directories. */
const PARTITIONS_MAX = 10_000;

/**
 * Parses the option's value.
 * @param text the value; a part after ':' without '=' belongs to the value before it
 * @returns the topic, or why it is refused
 */
export function parseTopicOption(text: string): TopicOption | { refused: string } {
  const [name = "", count = "", ...pieces] = text.split(":");
  // Topic.validate of Apache Kafka.
  if (!/^[a-zA-Z0-9._-]{1,249}$/.test(name) || name === "." || name === "..") {
    return { refused: `"${name}" is not a topic name: use 1 to 249 letters, digits, '.', '_' and '-'` };
  }
  if (count !== "" && (!/^[1-9]\d{0,4}$/.test(count) || Number(count) > PARTITIONS_MAX)) {
    return {
      refused: `"${count}" is not a number of partitions from 1 to ${PARTITIONS_MAX}: write name:partitions:key=value`,
    };
  }
  const configs = new Map<string, string>();
  let last: string | null = null;
  for (const piece of pieces) {
    const [key, value] = splitAtEquals(piece);
    if (value === null) {
      if (last === null) return { refused: `"${piece}" is not of the form key=value` };
      configs.set(last, `${configs.get(last)}:${piece}`);
      continue;
    }
    if (!topicDefinitions.has(key)) return { refused: unknownConfig(key) };
    configs.set(key, value);
    last = key;
  }
  const refused = validateTopicConfigs(Object.fromEntries(configs));
  if (refused !== null) return { refused };
  return {
    name,
    ...count === "" ? {} : { partitions: Number(count) },
    ...configs.size === 0 ? {} : { configs: Object.fromEntries(configs) },
  };
}

/** Splits "key=value" at the first '='. @returns the value as null when there is none */
export function splitAtEquals(text: string): [string, string | null] {
  const at = text.indexOf("=");
  return at < 0 ? [text.trim(), null] : [text.slice(0, at).trim(), text.slice(at + 1)];
}

function unknownConfig(key: string): string {
  const nearest = nearestName(key, topicDefinitions.keys());
  return `there is no topic config "${key}"${nearest === null ? "" : `; did you mean ${nearest}?`}`;
}

/**
 * Makes answers comparable: values that differ from run to run get a name (ids from the broker, topic ids, node and port), lists without
 * an order (groups, members, topics, partitions) are sorted, bytes become hexadecimal. Pure; part of a test.
 */

/** Arrays without an order: Kafka's come from hash maps. */
const UNORDERED = new Set([
  ...["topics", "partitions", "groups", "members", "results", "coordinators", "topicPartitions"],
  ...["subscribedTopicNames"],
]);

/** A java.util.UUID: the end of member ids of Kafka's classic groups. */
const JAVA_UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** A Uuid of Kafka: the member ids of consumer groups, and the end of those of this broker's classic groups. */
const KAFKA_UUID = /(?<=^|-)[A-Za-z0-9_-]{22}$/;
const UNNAMED = "<new>";

/** Names for the values that differ from run to run; one object for each scenario. */
export class Normaliser {
  readonly #names: Map<string, string>;
  #made = 0;

  /** @param names of values that are known before: topic ids */
  constructor(names: ReadonlyMap<string, string>) {
    this.#names = new Map(names);
  }

  /** Makes an answer comparable, with JSON values only. */
  normalise(answer: unknown): unknown {
    return this.#convert(answer, "", (id) => this.#names.get(id) ?? this.#nameNew(id));
  }

  #nameNew(id: string): string {
    const name = `<id ${++this.#made}>`;
    this.#names.set(id, name);
    return name;
  }

  #convert(value: unknown, key: string, name: (id: string) => string): unknown {
    if (value instanceof Uint8Array) return value.toHex();
    if (Array.isArray(value)) {
      return this.#inOrder(value, key).map((element) => this.#convert(element, key, name));
    }
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([field, inner]) => [field, this.#convert(inner, field, name)]),
      );
    }
    if (key === "port") return value === -1 ? -1 : "<port>";
    if (key === "nodeId") return value === -1 ? -1 : "<node>";
    if (typeof value === "string") return this.#convertText(value, key, name);
    return value;
  }

  #convertText(text: string, key: string, name: (id: string) => string): string {
    const isMember = key === "memberId" || key === "leader";
    let result = text.replace(JAVA_UUID, name);
    if (isMember && result === text) result = text.replace(KAFKA_UUID, name); // the other form's end looks like this one, too
    for (const [id, known] of this.#names) {
      if (id.length === 22) result = result.replaceAll(id, known);
    }
    return result;
  }

  /** Sorts by what is known already, so that ids get their numbers in the same order in every run. */
  #inOrder(array: readonly unknown[], key: string): readonly unknown[] {
    if (!UNORDERED.has(key)) return array;
    const keyed = array.map((element) => ({
      element,
      by: JSON.stringify(this.#convert(element, key, (id) => this.#names.get(id) ?? UNNAMED)),
    }));
    return keyed.sort((a, b) => a.by < b.by ? -1 : a.by > b.by ? 1 : 0).map(({ element }) => element);
  }
}

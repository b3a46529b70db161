/**
 * Counts the subscriptions of the members of a consumer group: topics by name, and regular expressions with the topics that they match.
 * Pure; runs on shards. Source: Kafka's ModernGroup, ConsumerGroup.computeSubscribedTopicNames.
 */
import { bytesOfText, type GroupMemory, TOPIC_NAME_BYTES } from "../group_memory.ts";
import type { Member } from "./consumer_member.ts";

/** The topics that a regular expression matches. */
export interface ResolvedRegex {
  readonly topics: ReadonlySet<string>;
  /** Wall-clock ms of the resolution. */
  readonly timestampMs: number;
}

/** The subscriptions of one group's members, counted. */
export class Subscriptions {
  /** How many members name each topic. */
  readonly #byName = new Map<string, number>();
  /** How many members use each expression. */
  readonly #byRegex = new Map<string, number>();
  readonly #resolved = new Map<string, ResolvedRegex>();
  readonly #memory: GroupMemory;
  #unresolvedCount = 0;
  /** One list of names for all members that name the same topics. */
  readonly #lists = new Map<string, { readonly names: readonly string[]; members: number }>();

  /** @param memory the budget for lists of names */
  constructor(memory: GroupMemory) {
    this.#memory = memory;
  }

  /** Expressions that members subscribe to. */
  get expressions(): Iterable<string> {
    return this.#byRegex.keys();
  }

  /** How many expressions members subscribe to. */
  get expressionsCount(): number {
    return this.#byRegex.size;
  }

  /** The resolved expressions. */
  get resolved(): ReadonlyMap<string, ResolvedRegex> {
    return this.#resolved;
  }

  /** How many expressions that members subscribe to are not resolved yet. */
  get unresolvedCount(): number {
    return this.#unresolvedCount;
  }

  /** How many members subscribe to an expression. */
  membersOf(expression: string): number {
    return this.#byRegex.get(expression) ?? 0;
  }

  /** Adds a member to the counts. @returns its names as the list that members share */
  add({ topicNames, topicRegex }: Member): readonly string[] {
    for (const name of topicNames) count(this.#byName, name, 1);
    if (topicRegex !== "") this.#countRegex(topicRegex, 1);
    const key = topicNames.join("\n");
    let list = this.#lists.get(key);
    if (list === undefined) {
      this.#lists.set(key, list = { names: topicNames, members: 0 });
      this.#memory.change(bytesOfNames(topicNames));
    }
    list.members++;
    return list.names;
  }

  /** Removes a member from the counts. */
  remove({ topicNames, topicRegex }: Member): void {
    for (const name of topicNames) count(this.#byName, name, -1);
    if (topicRegex !== "") this.#countRegex(topicRegex, -1);
    const key = topicNames.join("\n");
    const list = this.#lists.get(key);
    if (list === undefined || --list.members > 0) return;
    this.#lists.delete(key);
    this.#memory.change(-bytesOfNames(list.names));
  }

  /** Returns the bytes of memory that a list of names would add: 0 if another member has the same list. */
  costOf(topicNames: readonly string[]): number {
    return this.#lists.has(topicNames.join("\n")) ? 0 : bytesOfNames(topicNames);
  }

  /** Returns all memory to the budget, when the group is removed. */
  dispose(): void {
    for (const { names } of this.#lists.values()) this.#memory.change(-bytesOfNames(names));
    for (const { topics } of this.#resolved.values()) this.#memory.change(-TOPIC_NAME_BYTES * topics.size);
    this.#lists.clear();
    this.#resolved.clear();
  }

  /** Sets the topics of an expression, null to remove it. */
  resolve(expression: string, resolved: ResolvedRegex | null): void {
    const before = this.#resolved.get(expression);
    const wasKnown = before !== undefined;
    this.#memory.change(TOPIC_NAME_BYTES * ((resolved?.topics.size ?? 0) - (before?.topics.size ?? 0)));
    if (resolved === null) this.#resolved.delete(expression);
    else this.#resolved.set(expression, resolved);
    if (this.#byRegex.has(expression)) this.#unresolvedCount += Number(wasKnown) - Number(resolved !== null);
  }

  /** Returns whether any member subscribes to a topic. */
  has(topicName: string): boolean {
    if (this.#byName.has(topicName)) return true;
    for (const { topics } of this.#resolved.values()) if (topics.has(topicName)) return true;
    return false;
  }

  /** Returns whether a member subscribes to a topic. */
  includes({ topicNames, topicRegex }: Member, topicName: string): boolean {
    return hasSorted(topicNames, topicName) || this.#resolved.get(topicRegex)?.topics.has(topicName) === true;
  }

  /**
   * Returns the topics that will have subscribers after a change.
   * @param removed members as they were @param added members as they will be
   * @param resolved expressions whose topics will change
   */
  topicsAfter(
    removed: readonly Member[],
    added: readonly Member[],
    resolved: ReadonlyMap<string, ReadonlySet<string>>,
  ): Set<string> {
    const byName = new Map(this.#byName);
    const byRegex = new Map(this.#byRegex);
    for (const [members, step] of [[removed, -1], [added, 1]] as const) {
      for (const { topicNames, topicRegex } of members) {
        for (const name of topicNames) count(byName, name, step);
        if (topicRegex !== "") count(byRegex, topicRegex, step);
      }
    }
    const topics = new Set(byName.keys());
    for (const expression of byRegex.keys()) {
      for (const topic of resolved.get(expression) ?? this.#resolved.get(expression)?.topics ?? []) topics.add(topic);
    }
    return topics;
  }

  #countRegex(expression: string, step: 1 | -1): void {
    const before = this.#byRegex.has(expression);
    count(this.#byRegex, expression, step);
    const after = this.#byRegex.has(expression);
    if (!this.#resolved.has(expression)) this.#unresolvedCount += Number(after) - Number(before);
  }
}

/** Returns the bytes of memory of a list: each name is in the list, in its key and in the counts. */
function bytesOfNames(topicNames: readonly string[]): number {
  return topicNames.reduce((sum, name) => sum + 2 * bytesOfText(name), TOPIC_NAME_BYTES * topicNames.length);
}

/** Adds to a count, and removes it if it becomes 0. */
export function count(counts: Map<string, number>, key: string, step: 1 | -1): void {
  const after = (counts.get(key) ?? 0) + step;
  if (after > 0) counts.set(key, after);
  else counts.delete(key);
}

function hasSorted(names: readonly string[], name: string): boolean {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (names[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return names[low] === name;
}

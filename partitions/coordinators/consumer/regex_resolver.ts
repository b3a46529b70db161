/**
 * When and how the regular expressions of a group are resolved: new ones at once, all again when topics changed and every
 * `group.consumer.regex.refresh.interval.ms`. Kafka resolves on another thread and tells members with a later heartbeat; here a heartbeat
 * does it itself for `STEP_MS`, and what takes longer goes on in slices, so that nobody else waits long. Runs on shards.
 *
 * Source: Kafka's GroupMetadataManager.maybeUpdateRegularExpressions, TopicRegexResolver.
 *
 * Not done: topics that the member may not describe are not left out, as there is no authorizer yet.
 */
import { LazyTimer } from "../lazy_timer.ts";
import type { GroupPorts } from "../ports.ts";
import type { GroupRecord } from "../records/group_record.ts";
import { regexRecord } from "./member_records.ts";
import type { ResolvedRegex, Subscriptions } from "./subscriptions.ts";
import { TopicRegexJob } from "./topic_regex.ts";

/** Time in the heartbeat that begins a resolution: enough for 10,000 topics and an ordinary expression. */
const STEP_MS = 50;
/** Later slices. */
const SLICE_MS = 10;
/** A slice this long or longer is followed by a rest so many times as long: all groups together take a sixth of a shard at most. */
const LONG_MS = 10;
const REST_FACTOR = 5;
/** Resolved expressions are resolved again at most so often: every time a record of all their topics is written (Kafka's value). */
const REFRESH_MIN_INTERVAL_MS = 10_000;
/** Names of topics, in characters, that go into one batch with everything else. */
const BATCH_SIZE_MAX = 200_000;

/** Until when the groups of a coordinator, which share their timers, resolve nothing: monotonic ms. */
const rests = new WeakMap<GroupPorts["timers"], number>();

/** What a resolution found. */
export class RegexResults {
  /** Topics of expressions that stand for something else than before. */
  readonly changes: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #resolved: ReadonlyMap<string, ResolvedRegex>;

  constructor(resolved: ReadonlyMap<string, ResolvedRegex>, before: ReadonlyMap<string, ResolvedRegex>) {
    this.#resolved = resolved;
    const changes = new Map<string, ReadonlySet<string>>();
    for (const [expression, { topics }] of resolved) {
      const old = before.get(expression)?.topics;
      if (old === undefined || old.size !== topics.size || topics.difference(old).size > 0) {
        changes.set(expression, topics);
      }
    }
    this.changes = changes;
  }

  /** Whether an expression is among them. */
  has(expression: string): boolean {
    return this.#resolved.has(expression);
  }

  /** Whether the records of it are too much for one batch: each is to be appended by itself. */
  get isLarge(): boolean {
    let size = 0;
    for (const { topics } of this.#resolved.values()) {
      for (const name of topics) size += name.length + 1;
    }
    return size > BATCH_SIZE_MAX;
  }

  /**
   * What the log is to be told.
   * @param changes an expression that is about to be subscribed to, and one that is about to lose its last member; "" for none
   */
  *records(
    groupId: string,
    subscriptions: Subscriptions,
    { joining = "", left = "" }: { joining?: string; left?: string } = {},
  ): Iterable<GroupRecord> {
    for (const [expression, resolved] of this.#resolved) {
      const isWanted = expression === joining || (expression !== left && subscriptions.membersOf(expression) > 0);
      if (isWanted) yield regexRecord(groupId, expression, resolved);
    }
  }
}

/** Nothing found. */
export const NO_RESULTS: RegexResults = new RegexResults(new Map(), new Map());

/** The resolver of one group. */
export class RegexResolver {
  readonly #ports: GroupPorts;
  readonly #subscriptions: Subscriptions;
  readonly #timer: LazyTimer;
  readonly #onDone: () => void;
  /** Names of topics that came, changed or went since the last resolution. */
  #changedTopics = new Set<string>();
  /** After loading: topics may have changed meanwhile. */
  #isFullDue = true;
  #job: TopicRegexJob | null = null;
  /** Nothing is due before, monotonic ms. */
  #notBeforeMs = 0;

  /** @param onDone called when a resolution that took longer than its heartbeat is done */
  constructor(ports: GroupPorts, subscriptions: Subscriptions, onDone: () => void) {
    this.#ports = ports;
    this.#subscriptions = subscriptions;
    this.#onDone = onDone;
    this.#timer = new LazyTimer(ports.timers, () => this.#continue());
  }

  /** Topics came, changed or went. */
  onImage(changedTopicNames: ReadonlySet<string>): void {
    if (this.#isFullDue || this.#subscriptions.expressionsCount === 0) return;
    for (const name of changedTopicNames) this.#changedTopics.add(name);
  }

  /** Everything has to be resolved again. */
  requestRefresh(): void {
    this.#isFullDue = true;
  }

  /** What was found is too large for the log: it is resolved again, but not with the next heartbeat. */
  putOff(): void {
    this.#isFullDue = true;
    this.#notBeforeMs = this.#ports.nowMs() + REFRESH_MIN_INTERVAL_MS;
  }

  /** Whether a heartbeat has to look at expressions. O(1). */
  get isDue(): boolean {
    if (this.#subscriptions.expressionsCount === 0 || this.#job !== null) return false;
    const isDue = this.#subscriptions.unresolvedCount > 0 || this.#isIntervalOver() ||
      (this.#changedTopics.size > 0 && this.#ageMs > REFRESH_MIN_INTERVAL_MS);
    return isDue && this.#ports.nowMs() >= Math.max(this.#notBeforeMs, this.#restUntilMs);
  }

  /**
   * Resolves what is due, and an expression that is about to be subscribed to.
   * @param joining that expression, "" for none @returns what was found; nothing when it goes on, or begins, later
   */
  resolve(joining: string): RegexResults {
    const subscriptions = this.#subscriptions;
    if (this.#job !== null || this.#ports.nowMs() < this.#restUntilMs) return NO_RESULTS;
    const expressions = new Set(subscriptions.expressions);
    if (joining !== "") expressions.add(joining);
    if (expressions.size === 0) return NO_RESULTS;
    const unresolved = [...expressions].filter((expression) =>
      expression === joining || !subscriptions.resolved.has(expression)
    );
    if (unresolved.length > 0 && unresolved.length < expressions.size) {
      this.#job = new TopicRegexJob(unresolved, this.#allNames(), null);
    } else if (unresolved.length === 0 && this.#changedTopics.size > 0 && !this.#isIntervalOver()) {
      const scope = this.#changedTopics;
      this.#changedTopics = new Set();
      const names = [...scope].filter((name) => this.#ports.image.topic(name) !== undefined);
      this.#job = new TopicRegexJob(expressions, names, scope);
    } else {
      this.#isFullDue = false;
      this.#changedTopics = new Set();
      this.#job = new TopicRegexJob(expressions, this.#allNames(), null);
    }
    return this.#run(this.#job, STEP_MS) ? this.takeResults() : NO_RESULTS;
  }

  /** Takes what the finished resolution found. */
  takeResults(): RegexResults {
    const job = this.#job;
    if (job === null) return NO_RESULTS;
    this.#job = null;
    const before = this.#subscriptions.resolved;
    const timestampMs = this.#ports.wallMs();
    const resolved = new Map<string, ResolvedRegex>();
    for (const [expression, found] of job.found) {
      const topics = new Set(found);
      if (job.scope !== null) {
        for (const name of before.get(expression)?.topics ?? []) if (!job.scope.has(name)) topics.add(name);
      }
      resolved.set(expression, { topics, timestampMs });
    }
    return new RegexResults(resolved, before);
  }

  /** Ends. */
  stop(): void {
    this.#timer.cancel();
    this.#job = null;
  }

  #continue(): void {
    if (this.#job === null) return;
    if (this.#ports.nowMs() < this.#restUntilMs) this.#timer.set(this.#restUntilMs);
    else if (this.#run(this.#job, SLICE_MS)) this.#onDone();
  }

  /** Runs a slice; one that leaves something for later sets the timer. @returns whether all is done */
  #run(job: TopicRegexJob, sliceMs: number): boolean {
    const { nowMs, timers } = this.#ports;
    const startMs = nowMs();
    const isDone = job.run(startMs + sliceMs, nowMs);
    const endMs = nowMs();
    if (endMs - startMs >= LONG_MS) rests.set(timers, endMs + REST_FACTOR * (endMs - startMs));
    if (!isDone) this.#timer.set(Math.max(this.#restUntilMs, endMs));
    return isDone;
  }

  get #restUntilMs(): number {
    return rests.get(this.#ports.timers) ?? 0;
  }

  #isIntervalOver(): boolean {
    return this.#isFullDue || this.#ageMs > this.#ports.settings.consumerRegexRefreshIntervalMs;
  }

  /** Age of what is known. Expressions are mostly resolved together: the first speaks for all. */
  get #ageMs(): number {
    for (const { timestampMs } of this.#subscriptions.resolved.values()) return this.#ports.wallMs() - timestampMs;
    return Infinity;
  }

  #allNames(): string[] {
    return Array.from(this.#ports.image.topics(), ({ name }) => name);
  }
}

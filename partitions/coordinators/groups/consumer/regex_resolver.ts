/**
 * Resolves the regular expressions of a group: new ones at once, and all of them when topics changed and every
 * `group.consumer.regex.refresh.interval.ms`. A heartbeat only starts a resolution. Later turns run it in slices, so that no request
 * waits for it, and members get the result with a later heartbeat. (Kafka does it on another thread.) Runs on shards.
 *
 * Source: Kafka's GroupMetadataManager.maybeUpdateRegularExpressions, TopicRegexResolver.
 *
 * Not done: topics that the member may not describe are not left out, as there is no authorizer yet.
 */
import { assert } from "../../../../storage/base/assert.ts";
import { TOPIC_NAME_BYTES } from "../group_memory.ts";
import { LazyTimer } from "../../runtime/lazy_timer.ts";
import type { GroupPorts } from "../group_ports.ts";
import type { GroupRecord } from "../records/group_record.ts";
import { regexRecord } from "./member_records.ts";
import type { ResolvedRegex, Subscriptions } from "./subscriptions.ts";
import { TopicRegexJob } from "./topic_regex.ts";

/** Time of a slice: 500 to 2,500 names with an ordinary expression. */
const SLICE_MS = 5;
/** After a slice this long or longer, a pause of five times its length follows: all groups together take at most 1/6 of a shard. */
const LONG_SLICE_MS = 5;
const PAUSE_FACTOR = 5;
/** Least time between two resolutions of an expression, because each writes a record of all its topics (Kafka's value). */
const REFRESH_MIN_INTERVAL_MS = 10_000;
/** Most characters of topic names that go into one batch with the other records. */
const BATCH_SIZE_MAX = 200_000;

/** When the pause of a coordinator's groups, which share their timers, ends: monotonic ms. */
const pausedUntilMs = new WeakMap<GroupPorts["timers"], number>();

/** The results of a resolution. */
export class RegexResults {
  /** Topics of the expressions whose topics changed. */
  readonly changes: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #resolved: ReadonlyMap<string, ResolvedRegex>;
  readonly #before: ReadonlyMap<string, ResolvedRegex>;

  constructor(resolved: ReadonlyMap<string, ResolvedRegex>, before: ReadonlyMap<string, ResolvedRegex>) {
    this.#resolved = resolved;
    this.#before = before;
    const changes = new Map<string, ReadonlySet<string>>();
    for (const [expression, { topics }] of resolved) {
      const old = before.get(expression)?.topics;
      if (old === undefined || old.size !== topics.size || topics.difference(old).size > 0) {
        changes.set(expression, topics);
      }
    }
    this.changes = changes;
  }

  /** Additional bytes of memory that the expressions will take. */
  get growthBytes(): number {
    let count = 0;
    for (const [expression, { topics }] of this.#resolved) {
      count += topics.size - (this.#before.get(expression)?.topics.size ?? 0);
    }
    return TOPIC_NAME_BYTES * count;
  }

  /** Whether the records are too large for one batch: then each is appended by itself. */
  get isLarge(): boolean {
    let size = 0;
    for (const { topics } of this.#resolved.values()) {
      for (const name of topics) size += name.length + 1;
    }
    return size > BATCH_SIZE_MAX;
  }

  /** Makes the records of the expressions that members subscribe to. */
  *records(groupId: string, subscriptions: Subscriptions): Iterable<GroupRecord> {
    for (const [expression, resolved] of this.#resolved) {
      if (subscriptions.membersOf(expression) > 0) yield regexRecord(groupId, expression, resolved);
    }
  }
}

/** The resolver of one group. */
export class RegexResolver {
  readonly #ports: GroupPorts;
  readonly #subscriptions: Subscriptions;
  readonly #timer: LazyTimer;
  readonly #onDone: () => void;
  /** Names of topics that changed since the last resolution. All groups share these sets: one may have 10,000 names. */
  #changes: ReadonlySet<string>[] = [];
  /** Whether all expressions are due: after loading, because topics may have changed meanwhile. */
  #isFullDue = true;
  #job: TopicRegexJob | null = null;
  /** No resolution is due before this time, monotonic ms. */
  #notBeforeMs = 0;

  /** @param onDone called when a resolution is done, to take its results */
  constructor(ports: GroupPorts, subscriptions: Subscriptions, onDone: () => void) {
    this.#ports = ports;
    this.#subscriptions = subscriptions;
    this.#onDone = onDone;
    this.#timer = new LazyTimer(ports.timers, () => this.#continue());
  }

  /** Topics were created, changed or deleted. */
  onImage(changedTopicNames: ReadonlySet<string>): void {
    if (this.#isFullDue || this.#subscriptions.expressionsCount === 0) return;
    this.#changes.push(changedTopicNames);
  }

  /** Resolves everything again later, because the log refused the results; not with the next heartbeat. */
  postpone(): void {
    this.#isFullDue = true;
    this.#notBeforeMs = this.#ports.nowMs() + REFRESH_MIN_INTERVAL_MS;
  }

  /** Whether a heartbeat has to start a resolution. O(1). */
  get isDue(): boolean {
    if (this.#subscriptions.expressionsCount === 0 || this.#job !== null) return false;
    const isDue = this.#subscriptions.unresolvedCount > 0 || this.#isIntervalOver() ||
      (this.#changes.length > 0 && this.#ageMs > REFRESH_MIN_INTERVAL_MS);
    return isDue && this.#ports.nowMs() >= this.#notBeforeMs;
  }

  /** Starts the resolution that is due. It runs in later turns. */
  begin(): void {
    const subscriptions = this.#subscriptions;
    const expressions = [...subscriptions.expressions];
    const unresolved = expressions.filter((expression) => !subscriptions.resolved.has(expression));
    if (unresolved.length > 0 && unresolved.length < expressions.length) {
      this.#job = new TopicRegexJob(unresolved, this.#allNames(), null);
    } else if (unresolved.length === 0 && this.#changes.length > 0 && !this.#isIntervalOver()) {
      const scope = new Set(this.#changes.splice(0).flatMap((names) => [...names]));
      const names = [...scope].filter((name) => this.#ports.image.topic(name) !== undefined);
      this.#job = new TopicRegexJob(expressions, names, scope);
    } else {
      this.#isFullDue = false;
      this.#changes = [];
      this.#job = new TopicRegexJob(expressions, this.#allNames(), null);
    }
    this.#timer.set(Math.max(this.#pausedUntilMs, this.#ports.nowMs()));
  }

  /** Removes and returns the results of the finished resolution. */
  takeResults(): RegexResults {
    const job = this.#job;
    assert(job !== null, "results are taken once, after the resolution is done");
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

  /** Cancels the resolution and its timer. */
  stop(): void {
    this.#timer.cancel();
    this.#job = null;
  }

  /** Runs a slice. If work remains, it sets the timer. */
  #continue(): void {
    const job = this.#job;
    if (job === null) return;
    const { nowMs, timers } = this.#ports;
    const startMs = nowMs();
    if (startMs < this.#pausedUntilMs) return this.#timer.set(this.#pausedUntilMs);
    const isDone = job.run(startMs + SLICE_MS, nowMs);
    const endMs = nowMs();
    if (endMs - startMs >= LONG_SLICE_MS) pausedUntilMs.set(timers, endMs + PAUSE_FACTOR * (endMs - startMs));
    if (isDone) this.#onDone();
    else this.#timer.set(Math.max(this.#pausedUntilMs, endMs));
  }

  get #pausedUntilMs(): number {
    return pausedUntilMs.get(this.#ports.timers) ?? 0;
  }

  #isIntervalOver(): boolean {
    return this.#isFullDue || this.#ageMs > this.#ports.settings.consumerRegexRefreshIntervalMs;
  }

  /** Age of the results, ms. Expressions are mostly resolved together, so the first stands for all. */
  get #ageMs(): number {
    for (const { timestampMs } of this.#subscriptions.resolved.values()) return this.#ports.wallMs() - timestampMs;
    return Infinity;
  }

  #allNames(): string[] {
    return Array.from(this.#ports.image.topics(), ({ name }) => name);
  }
}

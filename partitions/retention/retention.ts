/**
 * Retention of a shard's partitions: at intervals it removes segments that their topics' rules do not keep any more. Runs on shards.
 *
 *   decided ──► log rolls, if the active segment goes too ──► log start raised and published ──► segments renamed, a few a turn, and
 *                                                                                               unlinked later (segment_removal.ts)
 *
 *   not announced   ├─ log.initial.task.delay.ms ─┤ pass ├─ log.retention.check.interval.ms ─┤ pass …
 *   announced       ├ forecast ──── at least one interval, in which nothing goes ───┤ pass …
 *
 * Retention is announced where the directory holds records that no retention was applied to: those of an older version, which kept
 * everything, and adopted partitions (directory/retention_notice.ts).
 *
 * Always: what goes was decided by the rules, the high watermark and the time of the same turn. Changed rules count from the next pass on.
 * Intervals are measured by the monotonic clock; ages by the wall clock. If that has jumped forward, one pass removes nothing by age.
 *
 * Unlike in Kafka, topics with cleanup.policy=compact,delete get their retention here too, not from the cleaner.
 * Source: Kafka's LogManager.cleanupLogs, UnifiedLog.deleteOldSegments.
 */
import { type Clock, decideRetention, type LogConfig, type RetentionDecision } from "../../storage/mod.ts";
import type { Partition } from "../owned/partition.ts";
import { Forecasts } from "./forecasts.ts";
import type { RetentionEvent, RetentionSettings } from "./retention_events.ts";
import { type LoadFiles, RetentionPass } from "./retention_pass.ts";

/** Longest time that a pass takes of one turn, in ms. */
const STRETCH_MS = 1;
/** Most segments that one decision removes: of 10,000 it took up to 17 ms. */
const DECIDED_MAX = 1000;
/** By so much the wall clock may gain on the monotonic clock between two passes; more is a jump. */
const CLOCK_GAIN_MS_MAX = 3_600_000;

/** What retention needs of its shard. */
export interface RetentionParts {
  /** The partitions of the shard, by slot. */
  readonly partitions: ReadonlyMap<number, Partition>;
  readonly clock: Clock;
  readonly settings: RetentionSettings;
  /** `topic-partition` of a slot. */
  nameOf(slot: number): string;
  /** Whether a partition is left alone for now: retention waits while its log is cleaned. */
  isBusy(partition: Partition): boolean;
  readonly load: LoadFiles;
  /** Segments lie below the log start, because the disk refused to rename them. */
  onSegmentsBelowStart(slot: number): void;
  /** The disk refuses something, or a timestamp is wrong; a sentence for the operator. */
  onTrouble(slot: number, text: string): void;
  /** Reports a sentence to the operator that concerns no single partition. */
  report(text: string): void;
  onEvent(event: RetentionEvent): void;
}

/** The retention of one shard. */
export class Retention {
  readonly #parts: RetentionParts;
  #pass: RetentionPass | null = null;
  /** What the pass under way collects; null where it removes. */
  #forecasts: Forecasts | null = null;
  /** When the next pass begins, monotonic ms. */
  #nextPassMs: number;
  #isForecastDue: boolean;
  #hasBegun = false;
  /** The clocks at the last pass. */
  #lastPass: { readonly wallMs: number; readonly monotonicMs: number };
  #isTimeTrusted = true;
  /** Base offset of the segment with a timestamp in the future that was reported last, by slot. */
  readonly #reported = new Map<number, number>();

  /** @param parts the shard's pieces; the intervals begin now */
  constructor(parts: RetentionParts) {
    const { clock, settings: { initialDelayMs, checkMs, isAnnounced } } = parts;
    this.#parts = parts;
    this.#isForecastDue = isAnnounced;
    this.#lastPass = { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
    this.#nextPassMs = clock.monotonicMs() + (isAnnounced ? Math.max(initialDelayMs, checkMs) : initialDelayMs);
  }

  /** When `run()` is due, monotonic ms. */
  get nextDeadlineMs(): number {
    if (this.#pass !== null) return this.#pass.isLoading ? Infinity : 0;
    return this.#isForecastDue ? 0 : this.#nextPassMs;
  }

  /** Does what is due, for a moment. @param nowMs monotonic time @param mayContinue asked between two steps */
  run(nowMs: number, mayContinue: () => boolean): void {
    if (this.#pass === null) {
      if (this.#isForecastDue) this.#beginForecast();
      else if (nowMs >= this.#nextPassMs) this.#beginRemoval(nowMs);
    }
    const pass = this.#pass;
    if (pass === null || pass.isLoading) return;
    const { clock } = this.#parts;
    const endMs = clock.monotonicMs() + STRETCH_MS;
    pass.run(() => clock.monotonicMs() < endMs && mayContinue());
    if (!pass.isDone) return;
    if (this.#forecasts !== null) this.#parts.onEvent({ kind: "forecast", topics: this.#forecasts.topics });
    this.#forecasts = null;
    this.#pass = null;
  }

  #beginForecast(): void {
    this.#isForecastDue = false;
    const forecasts = this.#forecasts = new Forecasts();
    const { nameOf } = this.#parts;
    this.#begin((partition, decision) => forecasts.add(nameOf(partition.slot), partition, decision));
  }

  #beginRemoval(nowMs: number): void {
    const { clock, settings: { checkMs, isAnnounced }, report, onEvent } = this.#parts;
    const wallMs = clock.wallMs();
    const gainedMs = wallMs - this.#lastPass.wallMs - (nowMs - this.#lastPass.monotonicMs);
    this.#isTimeTrusted = gainedMs <= CLOCK_GAIN_MS_MAX;
    this.#lastPass = { wallMs, monotonicMs: nowMs };
    this.#nextPassMs = nowMs + checkMs;
    if (!this.#isTimeTrusted) {
      const [jump, wait] = [gainedMs, checkMs].map((ms) => Math.round(ms / 1000));
      report(
        `The clock went forward by ${jump} s: retention removes nothing for its age before the next check, in ${wait} s`,
      );
    }
    if (isAnnounced && !this.#hasBegun) onEvent({ kind: "began" });
    this.#hasBegun = true;
    this.#begin((partition, decision) => this.#remove(partition, decision));
  }

  #begin(act: (partition: Partition, decision: RetentionDecision) => void): void {
    const { partitions } = this.#parts;
    this.#pass = new RetentionPass(partitions, {
      decide: (partition) => this.#decide(partition),
      act,
      load: this.#parts.load,
      onTrouble: (slot, text) => this.#parts.onTrouble(slot, text),
    });
  }

  #decide(partition: Partition): RetentionDecision | null {
    if (this.#parts.isBusy(partition)) return null;
    const { config, highWatermark, log } = partition;
    const retentionMs = config.delete && this.#isTimeTrusted ? config.retentionMs : -1;
    const rules = { retentionMs, retentionBytes: config.delete ? config.retentionBytes : -1 };
    // A forecast removes nothing, so the next decision would be the same.
    const removedMax = this.#forecasts === null ? DECIDED_MAX : Infinity;
    return decideRetention(log.retained(highWatermark), rules, this.#parts.clock.wallMs(), removedMax);
  }

  #remove(partition: Partition, decision: RetentionDecision): void {
    const { slot, log } = partition;
    this.#reportFuture(partition, decision);
    if (decision.endOffset !== null) this.#moveLogStart(partition, decision);
    if (log.segmentsBelowStart > 0) this.#parts.onSegmentsBelowStart(slot);
  }

  #moveLogStart(partition: Partition, decision: RetentionDecision): void {
    const { nameOf, clock, onTrouble, onEvent } = this.#parts;
    const { slot, log, config } = partition;
    let [endOffset, segments] = [decision.endOffset ?? log.logStartOffset, decision.bySize + decision.byTime];
    if (decision.isRollDue && !partition.roll(clock.wallMs())) {
      onTrouble(slot, "Retention keeps the active segment: the disk has no room for a new one");
      endOffset = log.activeBaseOffset;
      segments--;
    }
    if (segments === 0) return;
    partition.moveLogStart(endOffset);
    onEvent({ kind: "removed", text: describeRemoval(nameOf(slot), { segments, endOffset, decision, config }) });
  }

  #reportFuture({ slot, log, highWatermark }: Partition, { futureAt }: RetentionDecision): void {
    const segment = log.retained(highWatermark).segments[futureAt];
    if (segment === undefined) return void this.#reported.delete(slot);
    if (this.#reported.get(slot) === segment.baseOffset) return;
    this.#reported.set(slot, segment.baseOffset);
    const newest = new Date(segment.knownRetentionTimestamp ?? 0).toISOString();
    const text = `Segment ${segment.baseOffset} has a record of ${newest}, in the future: until it is older than ` +
      `retention.ms, nothing from there on is removed for its age`;
    this.#parts.onTrouble(slot, text);
  }
}

function describeRemoval(
  name: string,
  { segments, endOffset, decision, config }: {
    segments: number;
    endOffset: number;
    decision: RetentionDecision;
    config: LogConfig;
  },
): string {
  const reasons = [
    ...(decision.bySize > 0 ? [`the log is larger than retention.bytes=${config.retentionBytes}`] : []),
    ...(decision.byTime > 0 ? [`their records are older than retention.ms=${config.retentionMs}`] : []),
  ];
  const what = segments === 1 ? "segment" : "segments";
  return `${name}: retention removes ${segments} ${what} below offset ${endOffset}, because ${reasons.join(" or ")}`;
}

/**
 * What a shard counts for the metrics, and what it says of itself when somebody asks: numbers, its logs, its groups. There may be very many
 * of them, so it answers in parts of about a millisecond, and the main isolate asks for the next one (shard_surveys.ts). Nothing is done
 * while nobody asks. Runs on shards.
 */
import {
  type GroupsToSurvey,
  isHere,
  noGroups,
  PartitionTraffic,
  type Purgatory,
  ShardCounters,
  type ShardPartitions,
  type SharedState,
  type TopicImage,
} from "../../../partitions/mod.ts";
import type { Clock } from "../../../storage/mod.ts";
import { apis } from "../../handlers/mod.ts";
import type { Shard } from "../../reactor/shard.ts";
import type { HandlersKept } from "../../requests/handler.ts";
import { LOG_WORDS, type ShardNumbers, type SurveyPart } from "./shard_survey.ts";

/** Longest part of an answer. */
const PART_MS_MAX = 1;
/** Logs between two looks at the clock. */
const LOGS_PER_STEP = 200;

/** What is looked at. */
export interface ObservedParts {
  readonly shard: Shard;
  readonly partitions: ShardPartitions;
  readonly groups: GroupsToSurvey;
  readonly clock: Clock;
}

/** The metrics of one shard. */
export class ShardMetrics {
  readonly counters: ShardCounters;
  readonly traffic: PartitionTraffic;
  readonly kept: HandlersKept = { fetchSessions: null };
  #parts: ObservedParts | null = null;
  #steps: Generator<void, void> | null = null;
  #logs: number[] = [];
  #groups = noGroups();

  readonly #purgatory: Purgatory;

  /** @param state the shared memory @param shard its number @param purgatory of the shard */
  constructor(state: SharedState, shard: number, purgatory: Purgatory) {
    this.#purgatory = purgatory;
    this.counters = new ShardCounters(state.counters[shard] as SharedArrayBuffer);
    this.traffic = new PartitionTraffic(state.traffic[shard] as SharedArrayBuffer, this.counters);
  }

  /** From now on `survey()` looks at these. */
  observe(parts: ObservedParts): void {
    this.#parts = parts;
  }

  /**
   * These partitions of topics end here, or begin: their rows may be those of other topics next, and what requests counted that ended after
   * the partition is not theirs.
   */
  forget(topics: readonly TopicImage[]): void {
    for (const { partitions } of topics) {
      for (const place of partitions) if (isHere(place)) this.traffic.forget(place.slot);
    }
  }

  /** Makes the first part of an answer, or the next one. */
  survey(isFirst: boolean): SurveyPart {
    const parts = this.#parts;
    if (parts === null) return { numbers: null, apis: [], logs: new Float64Array(0), groups: noGroups() };
    if (isFirst || this.#steps === null) {
      this.#groups = noGroups();
      this.#steps = this.#look(parts);
    }
    const hasEnded = runFor(this.#steps, parts.clock);
    const logs = Float64Array.from(this.#logs);
    this.#logs = [];
    const groups = hasEnded ? this.#groups : null;
    if (hasEnded) {
      this.#steps = null;
      this.#groups = noGroups();
    }
    return {
      numbers: isFirst ? this.#numbers(parts) : null,
      apis: isFirst ? apis.map(({ key, name }) => ({ key, name })) : [],
      logs,
      groups,
    };
  }

  *#look({ partitions: { owned }, groups }: ObservedParts): Generator<void, void> {
    for (const { slot, isOpen, log } of owned.all) {
      if (isOpen) this.#logs.push(slot, log.logFilesBytes, log.segments().length);
      if (this.#logs.length >= LOGS_PER_STEP * LOG_WORDS && this.#logs.length % (LOGS_PER_STEP * LOG_WORDS) === 0) {
        yield;
      }
    }
    yield* groups.surveyGroups(this.#groups);
  }

  #numbers({ shard, partitions }: ObservedParts): ShardNumbers {
    const { heapUsed, heapTotal, external } = Deno.memoryUsage();
    const { heldBytes, keptBytes, weights } = shard.memory.pipelines;
    const { fetchSessions } = this.kept;
    return {
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      externalBytes: external,
      arenaUsedBytes: shard.arena.usedBytes,
      answerBytes: shard.answers.heldBytes,
      requestBytes: heldBytes + keptBytes,
      weightBytes: weights.heldBytes,
      waiting: this.#purgatory.waitingByKind(),
      operationsInFlight: partitions.inFlight,
      connections: shard.connectionsCount,
      fetchSessions: fetchSessions?.count ?? 0,
      fetchSessionPartitions: fetchSessions?.interestsCount ?? 0,
      fetchSessionsEvicted: fetchSessions?.evictedCount ?? 0,
      coldSlices: shard.counts.loadedSlices,
      sentSlices: shard.counts.sentSlices,
      copiedSlices: shard.counts.copiedSlices,
    };
  }
}

/** Runs steps until their time is over. @returns whether all of them are done */
function runFor(steps: Generator<void, void>, clock: Clock): boolean {
  const endMs = clock.monotonicMs() + PART_MS_MAX;
  do if (steps.next().done === true) return true; while (clock.monotonicMs() < endMs);
  return false;
}

/**
 * A coordinator for tests: it runs over real logs in a file system in memory, its clock is moved by hand, and it can be killed and
 * restarted. Tests only.
 */
import { strict as assert } from "node:assert";
import { ManualClock } from "../../../storage/base/clock.ts";
import { Log } from "../../../storage/log/log.ts";
import type { LogConfig } from "../../../storage/log/log_config.ts";
import { CrashingFileSystem, type Survival } from "../../../tests/crashing_file_system.ts";
import { logOptions } from "../../../tests/log_fixture.ts";
import { MetadataImage, type TopicImage } from "../../metadata/image.ts";
import { Partition } from "../../owned/partition.ts";
import { deafOwner, flushOn, smallLogs, topicOn } from "../../owned/partition_testing.ts";
import { Purgatory } from "../../requests/purgatory.ts";
import { InterestTable, WatermarkTable } from "../../shared/watermarks.ts";
import { GroupCoordinator } from "./group_coordinator.ts";
import { OFFSETS_TOPIC } from "../key_partition.ts";
import type { GroupApiKey, GroupRequest, GroupResponse } from "./group_apis.ts";
import type { GroupSettings } from "./group_ports.ts";
import type { CoordinatorClient } from "../runtime/coordinator.ts";
import { Call, testGroupSettings, testSettings } from "./group_ports_testing.ts";

/** Ids of the existing topics. */
export const topicIds = {
  offsets: "b2Zmc2V0c29mZnNldHNvZg",
  a: "YWFhYWFhYWFhYWFhYWFhYQ",
  b: "YmJiYmJiYmJiYmJiYmJiYg",
} as const;

/** Slot of the first partition of `__consumer_offsets`. */
export const FIRST_SLOT = 100;

const offsetsConfig: LogConfig = { ...smallLogs, compact: true };
const table = new WatermarkTable(WatermarkTable.allocate());
const interest = new InterestTable(InterestTable.allocate(1));

/** Options of a coordinator for tests. */
export interface TestCoordinatorOptions {
  /** Shards of the partitions of `__consumer_offsets`: one on shard 0, which is the coordinator's. */
  readonly shards?: readonly number[];
  readonly settings?: Partial<GroupSettings>;
  readonly config?: Partial<LogConfig>;
  /** Shards that share the broker's budgets, 1. */
  readonly shardsCount?: number;
  /** A planted bug: the log reports every n-th batch as written, but loses it. */
  readonly losesBatch?: number;
  /** Uniform in [0, 1): what survives a loss of power. */
  readonly random?: () => number;
}

/** A clock that advances with each reading, so slices of time end. */
export class TickingClock extends ManualClock {
  /** How far each reading advances the clock, in ms. */
  tickMs = 0;

  override monotonicMs(): number {
    if (this.tickMs > 0) this.advance(this.tickMs);
    return super.monotonicMs();
  }
}

/** A coordinator and its environment. */
export class TestCoordinator {
  readonly clock = new TickingClock();
  readonly files: CrashingFileSystem;
  readonly image = new MetadataImage();
  readonly reports: string[] = [];
  readonly settings: GroupSettings;
  readonly purgatory: Purgatory;
  readonly #options: TestCoordinatorOptions;
  readonly #partitions = new Map<number, Partition>();
  #coordinator: GroupCoordinator | null = null;
  #leaderEpoch = 0;
  #ids = 0;

  /** Starts it; its partitions are loaded. */
  constructor(options: TestCoordinatorOptions = {}) {
    this.#options = options;
    this.files = new CrashingFileSystem(options.random ?? (() => 0.5));
    this.settings = { ...testSettings, ...options.settings };
    this.purgatory = new Purgatory(interest, 0);
    this.image.apply({ changed: [this.offsetsTopic, ordinaryTopic("a"), ordinaryTopic("b")], deletedIds: [] });
    this.start();
    this.load();
  }

  /** `__consumer_offsets`. */
  get offsetsTopic(): TopicImage {
    const { shards = [0] } = this.#options;
    const slots = shards.map((_, partition) => FIRST_SLOT + partition);
    const config = { ...offsetsConfig, ...this.#options.config };
    return topicOn(shards, { name: OFFSETS_TOPIC, id: topicIds.offsets, slots, config });
  }

  get coordinator(): GroupCoordinator {
    assert(this.#coordinator !== null, "the coordinator runs");
    return this.#coordinator;
  }

  /** A partition of `__consumer_offsets`. */
  partition(number = 0): Partition {
    const partition = this.#partitions.get(FIRST_SLOT + number);
    assert(partition !== undefined, "the partition is open");
    return partition;
  }

  /** Another broker leads a partition from now on, or this one again. @param hasNoticed whether the coordinator learns of it now */
  lead(leads: boolean, { number = 0, hasNoticed = true } = {}): void {
    const { config } = this.partition(number);
    this.partition(number).update({ leads, leaderEpoch: ++this.#leaderEpoch, config });
    if (hasNoticed) this.change([this.offsetsTopic]);
  }

  /** Opens the logs and starts a coordinator that has loaded nothing yet. @param options whether the logs are not scanned */
  start(options: { cleanShutdown?: boolean } = {}): void {
    this.#leaderEpoch++;
    const config = { ...offsetsConfig, ...this.#options.config };
    for (const { partition, slot, shard } of this.offsetsTopic.partitions) {
      if (shard !== 0) continue;
      const log = Log.open(logOptions(`/logs/${OFFSETS_TOPIC}-${partition}`, {
        fs: this.files.fileSystem,
        clock: this.clock,
        config,
        cleanShutdown: options.cleanShutdown ?? false,
        topicId: topicIds.offsets,
        report: (text) => void this.reports.push(text),
      }));
      const owner = { ...deafOwner, onFlushNeeded: (slot: number) => this.#flush(slot) };
      const place = { slot, leaderEpoch: this.#leaderEpoch, config, table, owner };
      const { losesBatch } = this.#options;
      const opened = losesBatch === undefined ? new Partition(log, place) : new LossyPartition(log, place, losesBatch);
      this.#partitions.set(slot, opened);
    }
    this.#coordinator = new GroupCoordinator({
      shard: 0,
      shardsCount: this.#options.shardsCount ?? 1,
      clock: this.clock,
      fs: this.files.fileSystem,
      image: this.image,
      partitions: { ownAt: (slot) => this.#partitions.get(slot) },
      purgatory: this.purgatory,
      offsetsCommitTimeoutMs: 5000,
      settings: this.settings,
      settingsOf: () => testGroupSettings,
      newId: () => `id${String(++this.#ids).padStart(20, "0")}`,
      report: (text) => void this.reports.push(text),
    });
    this.#coordinator.onImage({ changed: [...this.image.topics()], deleted: [] });
  }

  /** Flushes a partition whose records wait for that. */
  #flush(slot: number): void {
    const partition = this.#partitions.get(slot);
    const request = partition?.beginFlush() ?? null;
    if (request !== null) partition?.endFlush(request, flushOn(this.files, request));
  }

  /** Loads all partitions. */
  load(): void {
    for (let turns = 0; this.coordinator.counts.loading > 0; turns++) {
      assert(turns < 10_000, "loading ends");
      this.coordinator.runTurn(this.clock.monotonicMs());
    }
  }

  /** Kills the process, on request with a loss of power. Then the logs are reopened and loaded. */
  restart(survival: Survival = "all"): void {
    this.kill(survival);
    this.start();
    this.load();
  }

  /** Kills the process. */
  kill(survival: Survival = "all"): void {
    this.files.restart(survival);
    this.#partitions.clear();
    this.#coordinator = null;
  }

  /** Advances the clock and runs due work on the way. */
  advance(ms: number): void {
    const untilMs = this.clock.monotonicMs() + ms;
    for (;;) {
      const nowMs = this.clock.monotonicMs();
      const dueMs = Math.min(Math.max(this.coordinator.nextDeadlineMs, nowMs), untilMs);
      this.clock.advance(dueMs - nowMs);
      this.turn();
      if (dueMs === untilMs) return;
    }
  }

  /** One turn of a reactor. */
  turn(): void {
    this.coordinator.runTurn(this.clock.monotonicMs());
    this.purgatory.expire(this.clock.monotonicMs());
    this.coordinator.writeGathered(() => true);
    while (this.purgatory.checkMarked());
  }

  /** Sends a request without ending the turn. */
  send<Key extends GroupApiKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    apiVersion: number,
    clientId = "client",
  ): Call<GroupResponse<Key>> {
    const call = new Call<GroupResponse<Key>>();
    const client: CoordinatorClient = { clientId, clientHost: "/127.0.0.1", apiVersion };
    this.coordinator.handle(apiKey, request, client, call.reply);
    return call;
  }

  /** Sends a request and ends the turn. @returns the answer */
  ask<Key extends GroupApiKey>(apiKey: Key, request: GroupRequest<Key>, apiVersion: number): GroupResponse<Key> {
    const call = this.send(apiKey, request, apiVersion);
    this.turn();
    return call.answer;
  }

  /** Adds or removes topics, as the metadata image does. */
  change(changed: readonly TopicImage[], deleted: readonly TopicImage[] = []): void {
    this.image.apply({ changed, deletedIds: deleted.map(({ id }) => id) });
    this.coordinator.onImage({ changed, deleted });
  }
}

class LossyPartition extends Partition {
  readonly #losesEvery: number;
  #appends = 0;

  constructor(log: Log, place: ConstructorParameters<typeof Partition>[1], losesEvery: number) {
    super(log, place);
    this.#losesEvery = losesEvery;
  }

  override append(...args: Parameters<Partition["append"]>): ReturnType<Partition["append"]> {
    if (++this.#appends % this.#losesEvery > 0) return super.append(...args);
    const none = { recordIndex: -1, appendTimeMs: -1, duplicate: false, message: "" };
    return { refusal: null, baseOffset: this.log.logEndOffset, lastOffset: this.log.logEndOffset, ...none };
  }
}

/** A topic of three partitions. */
export function ordinaryTopic(name: "a" | "b", partitionsCount = 3): TopicImage {
  return topicOn(new Array(partitionsCount).fill(0), { name, id: topicIds[name] });
}

/** Changes to an OffsetCommit. */
export interface CommitOptions {
  readonly memberId?: string;
  readonly generation?: number;
  readonly instanceId?: string | null;
  readonly retentionTimeMs?: number;
  readonly metadata?: string | null;
  readonly leaderEpoch?: number;
}

/** An OffsetCommit of one topic. @param offsets by partition */
export function commitOf(
  groupId: string,
  topic: string,
  offsets: Readonly<Record<number, number>>,
  options: CommitOptions = {},
): GroupRequest<8> {
  return {
    groupId,
    memberId: options.memberId ?? "",
    generationIdOrMemberEpoch: options.generation ?? -1,
    groupInstanceId: options.instanceId ?? null,
    retentionTimeMs: options.retentionTimeMs ?? -1,
    topics: [{
      name: topic,
      topicId: topicIds[topic as "a"] ?? topicIds.offsets,
      partitions: Object.entries(offsets).map(([partition, committedOffset]) => ({
        partitionIndex: Number(partition),
        committedOffset,
        committedLeaderEpoch: options.leaderEpoch ?? -1,
        committedMetadata: options.metadata === undefined ? "" : options.metadata,
      })),
    }],
  };
}

/** Error codes of a commit, by partition. */
export function codesOf(response: GroupResponse<8>): Record<number, number> {
  return Object.fromEntries(
    response.topics.flatMap(({ partitions }) => partitions.map((one) => [one.partitionIndex, one.errorCode])),
  );
}

/** An OffsetFetch v8 of all offsets of some groups. */
export function fetchAllOf(...groupIds: string[]): GroupRequest<9> {
  const groups = groupIds.map((groupId) => ({ groupId, memberId: null, memberEpoch: -1, topics: null }));
  return { groupId: "", topics: [], groups, requireStable: false };
}

/** Offsets of a fetch's first group, as "topic-partition": offset. */
export function offsetsOf(response: GroupResponse<9>, group = 0): Record<string, number> {
  const topics = response.groups?.[group]?.topics ?? [];
  return Object.fromEntries(
    topics.flatMap(({ name, partitions }) =>
      partitions.map((one) => [`${name}-${one.partitionIndex}`, one.committedOffset])
    ),
  );
}

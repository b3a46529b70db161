/**
 * What tests of partitions share: several shards in one isolate, over one shared state, with logs in a file system in memory. Tests
 * deliver the mail between them with `pump()`. Tests only.
 */
import { ManualClock } from "../../storage/base/clock.ts";
import { toOffset } from "../../storage/base/units.ts";
import type { CodecAnswer, CodecWork } from "../../storage/codec_workers/codec_messages.ts";
import type { FlushRequest } from "../../storage/log/log_types.ts";
import { transcodeBatch } from "../../storage/records/batch_intake.ts";
import { CONTENT_BYTES_MAX } from "../../storage/records/batch_rules.ts";
import { allocateNative, type NativeMemory } from "../../storage/sys/memory.ts";
import type { FileSystem } from "../../storage/sys/file_system.ts";
import type { FlushOutcome } from "../../storage/sys/flush_outcome.ts";
import type { LogConfig } from "../../storage/log/log_config.ts";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { testConfig } from "../../tests/log_fixture.ts";
import { buildBatch, type TestRecord } from "../../tests/record_batch_builder.ts";
import type { CleaningNotice } from "../cleaning/cleaning_calls.ts";
import type { AnyQuestion } from "../questions/question.ts";
import { CodecJobs } from "./appends/codec_jobs.ts";
import { FlushLine } from "../flush_worker/flush_line.ts";
import type { ReplicationParts } from "./led_replicas.ts";
import { LogStore } from "./log_store.ts";
import { ELSEWHERE, type TopicImage } from "../metadata/image.ts";
import type { ReadRequest } from "../requests/outcomes.ts";
import type { PartitionOwner } from "./partition_parts.ts";
import { Purgatory } from "../requests/purgatory.ts";
import { ShardPartitions } from "../shard_partitions.ts";
import type { TopicChange } from "./topic_changes.ts";
import type { RetentionEvent, RetentionSettings } from "../retention/retention_events.ts";
import { Arena } from "../shared/arena.ts";
import type { Inbox, Outbox } from "../shared/mail.ts";
import {
  allocateSharedState,
  flushOutbox,
  inbox,
  outboxes,
  releaseSharedState,
  type SharedState,
} from "../shared/shared_state.ts";
import { InterestTable, WatermarkTable } from "../shared/watermarks.ts";

export { Answers } from "./answers_testing.ts";

/** Small enough for files in memory. */
export const smallLogs: LogConfig = { ...testConfig, segmentBytes: 64 * 1024, segmentIndexBytes: 16 * 1024 };

/** The owner of a partition without a shard: it ignores notifications and allows no flush. */
export const deafOwner: PartitionOwner = {
  onProgress: () => {},
  mayFlush: () => false,
  onFlush: () => {},
  onFlushNeeded: () => {},
  onAppendsLeft: () => {},
  codecJobs: new CodecJobs({ transcode: () => {}, release: () => {} }),
  onTrouble: () => {},
  onOffline: () => {},
  onFilesRemoved: () => {},
  onTruncated: () => {},
  onSegmentsBelowStart: () => {},
};

/** Executes a flush, as another thread would. */
export function flushOn({ fileSystem }: CrashingFileSystem, { fds, directories }: FlushRequest): FlushOutcome {
  if (!fds.every((fd) => fileSystem.fdatasync(fd))) return "failed";
  try {
    return directories.every((directory) => fileSystem.syncDirectory(directory)) ? "flushed" : "failed";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "postponed";
    throw error;
  }
}

/** Retention that never begins. */
const NO_RETENTION: RetentionSettings = { initialDelayMs: Infinity, checkMs: Infinity, isAnnounced: false };

/** The log directory of all test shards. */
export const LOG_DIRECTORY = "/logs";

/** A topic whose partition n has row `slots[n]` and lives on shard `shards[n]`. The broker of test shards has node id 1. */
export function topicOn(
  shards: readonly number[],
  changes: { name?: string; id?: string; slots?: number[]; config?: LogConfig; leader?: number; leaderEpoch?: number } =
    {},
): TopicImage {
  return {
    name: changes.name ?? "t",
    id: changes.id ?? "MTIzNDU2Nzg5MDEyMzQ1Ng",
    isInternal: false,
    configs: {},
    logConfig: changes.config ?? smallLogs,
    partitions: shards.map((shard, partition) => ({
      partition,
      slot: changes.slots?.[partition] ?? partition,
      shard,
      directory: 0,
      leader: changes.leader ?? 1,
      leaderEpoch: changes.leaderEpoch ?? 3,
      partitionEpoch: 0,
      replicas: [1],
      isr: [1],
    })),
  };
}

/** The topic when broker 2 alone has some of its partitions. @param partitions their numbers */
export function elsewhere(topic: TopicImage, partitions: readonly number[]): TopicImage {
  const place = { slot: ELSEWHERE, shard: ELSEWHERE, directory: ELSEWHERE, leader: 2, replicas: [2], isr: [2] };
  return {
    ...topic,
    partitions: topic.partitions.map((here) => partitions.includes(here.partition) ? { ...here, ...place } : here),
  };
}

/** A read from an offset, without a limit that matters. */
export function readFrom(fetchOffset: number, changes: Partial<ReadRequest> = {}): ReadRequest {
  return {
    fetchOffset: toOffset(fetchOffset),
    maxBytes: 1 << 20,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
    atLeastOne: true,
    committedOnly: false,
    follower: null,
    ...changes,
  };
}

/** A batch of records with these values. */
export function batchOf(...values: string[]): Uint8Array<ArrayBuffer> {
  return buildBatch(values.map((value): TestRecord => ({ value })));
}

/** One shard: its partitions and their parts. */
export interface TestShard {
  readonly partitions: ShardPartitions;
  readonly purgatory: Purgatory;
  readonly arena: Arena;
  readonly inbox: Inbox;
  readonly outboxes: readonly Outbox[];
  readonly files: CrashingFileSystem;
  readonly reports: string[];
  /** Flushes that another thread would execute. */
  readonly flushes: { request: FlushRequest; done: (outcome: FlushOutcome) => void }[];
  /** Groups of flushes that another thread would execute. `TestShards.pump()` does, unless the world holds them. */
  readonly groups: { requests: readonly FlushRequest[]; done: (outcomes: readonly FlushOutcome[]) => void }[];
  /** Batches for codec workers. `TestShards.pump()` does them, unless the world holds them. */
  readonly codecWork: { work: CodecWork; done: (answer: CodecAnswer) => void }[];
  /** Bytes of batches that codec workers rebuilt and the shard has not released. */
  readonly rebuilt: { bytes: number };
  /** Logs that went offline, so that a start must not believe the page cache. */
  readonly doubts: number[];
  /** Files that another thread would remove. */
  readonly unlinked: string[];
  /** Directories that another thread would make durable. */
  readonly directoryFlushes: { directory: string; done: (outcome: FlushOutcome) => void }[];
  /** What concerns the compaction of logs. */
  readonly cleaningNotices: CleaningNotice[];
  /** Files that another thread would read into the page cache. */
  readonly loads: { files: readonly string[]; done: () => void }[];
  /** Events of retention. */
  readonly retained: RetentionEvent[];
}

/** Applies changes of topics on one shard at once. @returns the failures */
export function change({ partitions }: TestShard, topics: Partial<TopicChange>): string[] {
  const refused: string[] = [];
  partitions.owned.change(
    { changed: [], deleted: [], ...topics },
    (failures) => refused.push(...failures.map(({ text }) => text)),
  );
  partitions.owned.finishChanges();
  return refused;
}

/** Does what a codec worker does. @param memory the arena in which the batch lies */
function transcodeAsWorker(memory: NativeMemory, { start, rules }: CodecWork): CodecAnswer {
  const limits = { contentBytesMax: CONTENT_BYTES_MAX, allocate: allocateNative };
  const transcoded = transcodeBatch({ memory, start }, rules, limits);
  const { refusal, message, recordIndex, rebuilt } = transcoded;
  return { refusal, message, recordIndex, rebuilt: rebuilt === null ? null : rebuilt.bytes.buffer as ArrayBuffer };
}

/** Executes the groups of flushes that a shard has begun, as another thread would. @returns how many */
export function flushGroups({ groups, files }: TestShard): number {
  const begun = groups.splice(0);
  for (const { requests, done } of begun) done(requests.map((request) => flushOn(files, request)));
  return begun.length;
}

/** Several shards in this isolate. */
export class TestShards implements Disposable {
  readonly clock: ManualClock;
  readonly state: SharedState;
  readonly table: WatermarkTable;
  readonly interest: InterestTable;
  readonly shards: TestShard[];
  /** Whether groups of flushes wait for the test to end them. */
  holdsGroups = false;
  /** Whether batches for codec workers wait for the test to do them. */
  holdsCodecs = false;

  readonly #warmSegmentsMax: number | undefined;
  readonly #retention: RetentionSettings;
  readonly #asked: readonly AnyQuestion[] | undefined;
  readonly #store: { readonly fs: FileSystem; readonly path: string } | undefined;
  readonly #replication: ReplicationParts | undefined;

  /**
   * @param files file systems of an earlier test world, by shard
   * @param options warmSegmentsMax: closed segments whose files may stay open; asked: questions that may be asked; retention: when it
   * runs, by default never; clock: of all shards; replication: what partitions with followers need; store: where the logs
   * are, by default in memory
   */
  constructor(
    shardsCount: number,
    files: readonly CrashingFileSystem[] = [],
    options: {
      warmSegmentsMax?: number;
      asked?: readonly AnyQuestion[];
      retention?: RetentionSettings;
      clock?: ManualClock;
      replication?: ReplicationParts;
      store?: { readonly fs: FileSystem; readonly path: string };
    } = {},
  ) {
    this.#warmSegmentsMax = options.warmSegmentsMax;
    this.#retention = options.retention ?? NO_RETENTION;
    this.clock = options.clock ?? new ManualClock();
    this.#asked = options.asked;
    this.#store = options.store;
    this.#replication = options.replication;
    this.state = allocateSharedState(shardsCount);
    this.table = new WatermarkTable(this.state.watermarks);
    this.interest = new InterestTable(this.state.interest);
    const arenas = this.state.arenas.map((memory) => new Arena(memory));
    this.shards = arenas.map((_, shard) => this.#shard(shard, arenas, files[shard]));
  }

  /** A shard by its number. */
  at(shard: number): TestShard {
    const found = this.shards[shard];
    if (found === undefined) throw new Error(`There is no shard ${shard}`);
    return found;
  }

  /** Makes a topic known to every shard. @returns sentences about logs that could not be opened */
  apply(topic: TopicImage): string[] {
    return this.shards.flatMap((shard) => change(shard, { changed: [topic] }));
  }

  /** Deletes a topic on shards. @returns sentences about what the disk refused */
  remove(topic: TopicImage, shards: readonly TestShard[] = this.shards): string[] {
    return shards.flatMap((shard) => change(shard, { deleted: [topic] }));
  }

  /** Runs turns of all shards until no mail is left. */
  pump(): void {
    for (let idlePasses = 0; idlePasses < 2; idlePasses++) {
      for (const shard of this.shards) if (this.turn(shard) > 0) idlePasses = -1;
    }
  }

  /** Runs one turn of a shard. @returns the number of records it received, plus 1 when records of its own wait for room */
  turn(shard: TestShard): number {
    const { inbox, partitions, purgatory, outboxes } = shard;
    let count = this.holdsGroups ? 0 : flushGroups(shard);
    if (!this.holdsCodecs) count += this.transcode(shard);
    inbox.drain((sender, record) => {
      count++;
      if (!partitions.receive(sender, record)) throw new Error("A record has no receiver");
    });
    do partitions.announceProgress(); while (purgatory.checkMarked());
    partitions.beginGroupFlush();
    partitions.sendWaiting();
    for (const outbox of outboxes) outbox.flush();
    return count + (outboxes.some((outbox) => outbox.isBacklogged) ? 1 : 0);
  }

  /** Does a shard's batches for codec workers. @param countMax most of them, the oldest first @returns how many */
  transcode({ codecWork, rebuilt }: TestShard, countMax = Infinity): number {
    const begun = codecWork.splice(0, countMax);
    for (const { work, done } of begun) {
      const answer = transcodeAsWorker(this.at(work.arena).arena.memory, work);
      rebuilt.bytes += answer.rebuilt?.byteLength ?? 0;
      done(answer);
    }
    return begun.length;
  }

  /** Copies a batch into a shard's arena, as if a request had been received. @returns where it lies */
  putBatch(shard: number, batch: Uint8Array): { start: number; length: number } {
    const { arena } = this.at(shard);
    const start = arena.allocate(batch.length);
    arena.memory.bytes.set(batch, start);
    return { start, length: batch.length };
  }

  [Symbol.dispose](): void {
    releaseSharedState(this.state);
  }

  #shard(shard: number, arenas: readonly Arena[], files = new CrashingFileSystem(() => 0.5)): TestShard {
    const reports: string[] = [];
    const doubts: number[] = [];
    const flushes: TestShard["flushes"] = [];
    const groups: TestShard["groups"] = [];
    const codecWork: TestShard["codecWork"] = [];
    const rebuilt: TestShard["rebuilt"] = { bytes: 0 };
    const unlinked: string[] = [];
    const loads: TestShard["loads"] = [];
    const retained: RetentionEvent[] = [];
    const directoryFlushes: TestShard["directoryFlushes"] = [];
    const cleaningNotices: CleaningNotice[] = [];
    const purgatory = new Purgatory(this.interest, shard);
    const ways = outboxes(this.state, shard);
    const report = (text: string) => void reports.push(text);
    const arena = arenas[shard] as Arena;
    const partitions = new ShardPartitions({
      shard,
      nodeId: 1,
      clock: this.clock,
      store: new LogStore({
        fs: this.#store?.fs ?? files.fileSystem,
        clock: this.clock,
        directories: [{ path: this.#store?.path ?? LOG_DIRECTORY, isOnline: true, cleanShutdown: false }],
        producerIdExpirationMs: 86_400_000,
        ...(this.#warmSegmentsMax === undefined ? {} : { warmSegmentsMax: this.#warmSegmentsMax }),
        report,
      }),
      table: this.table,
      interest: this.interest,
      purgatory,
      outboxes: ways,
      arena,
      arenas: arenas.map(({ memory }) => memory),
      ...(this.#asked === undefined ? {} : { asked: this.#asked }),
      flushCheckMs: Infinity,
      report,
      flush: (request, done) => void flushes.push({ request, done }),
      flushLines: [
        new FlushLine({
          outbox: flushOutbox(this.state, { shard, directory: 0 }),
          isServing: () => false,
          onUnserved: () => {},
          flushElsewhere: (requests, done) => void groups.push({ requests, done }),
        }),
      ],
      codecs: {
        transcode: (work, done) => void codecWork.push({ work, done }),
        release: (bytes) => void (rebuilt.bytes -= bytes),
      },
      flushDirectory: (directory, done) => void directoryFlushes.push({ directory, done }),
      onCleaningNotice: (notice) => void cleaningNotices.push(notice),
      unlink: (paths) => void unlinked.push(...paths),
      onCacheDoubtful: () => void doubts.push(shard),
      load: (files, done) => void loads.push({ files, done }),
      retention: this.#retention,
      onRetention: (event) => void retained.push(event),
      replication: this.#replication,
    });
    const mail = { inbox: inbox(this.state, shard), outboxes: ways };
    const outside = { reports, flushes, groups, codecWork, rebuilt, unlinked, loads, retained, doubts };
    return { ...mail, partitions, purgatory, arena, files, ...outside, directoryFlushes, cleaningNotices };
  }
}

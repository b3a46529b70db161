/**
 * The group coordinator of one shard: coordinates the groups whose partition of `__consumer_offsets` this shard owns, so that a commit
 * is appended without a hop and heartbeats never wait behind metadata work. Runs on shards; synchronous.
 *
 * Requests of this shard's connections and those that other shards forward enter by `handle()`.
 *
 * Source: Kafka's GroupCoordinatorService and CoordinatorRuntime.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { Clock, FileSystem } from "../../../storage/mod.ts";
import { Deadlines } from "../../requests/deadlines.ts";
import type { MetadataImage, TopicImage } from "../../metadata/image.ts";
import type { Partition } from "../../owned/partition.ts";
import type { Purgatory } from "../../requests/purgatory.ts";
import type { TopicChange } from "../../owned/topic_changes.ts";
import { GroupMemory } from "./group_memory.ts";
import type { GroupPartition } from "./group_partition.ts";
import { OFFSETS_TOPIC, partitionOfKey } from "../key_partition.ts";
import type { GroupApiKey, GroupApis, GroupRequest, GroupResponse } from "./group_apis.ts";
import { joinResponseFor, refusalOf, refuseGroupRequest } from "./group_refusals.ts";
import { LoadMemory } from "./offsets/offsets_loader.ts";
import { OffsetsPartition, type OffsetsPartitionParts } from "./offsets/offsets_partition.ts";
import type { ConsumerGroupSettings, GroupSettings } from "./group_ports.ts";
import type { Coordinator, CoordinatorClient, Reply } from "../runtime/coordinator.ts";
import type { Timer } from "../runtime/lazy_timer.ts";
import { GroupBatchBuilder } from "./records/record_set.ts";
import {
  deleteGroups,
  describeConsumerGroups,
  describeGroups,
  fetchOffsets,
  type GroupPlaces,
  listGroups,
} from "./several_groups.ts";
import { SlicedWork } from "../runtime/sliced_work.ts";

/** What a coordinator is built from. */
export interface GroupCoordinatorParts {
  readonly shard: number;
  /** How many share the broker's budgets (group_memory.ts). */
  readonly shardsCount: number;
  readonly clock: Clock;
  readonly fs: FileSystem;
  readonly image: MetadataImage;
  /** The shard's partitions. */
  readonly partitions: { ownAt(slot: number): Partition | undefined };
  readonly purgatory: Purgatory;
  readonly settings: GroupSettings;
  /** `offsets.commit.timeout.ms`: how long a reply waits for the high watermark. */
  readonly offsetsCommitTimeoutMs: number;
  /** Settings of one group: what was set on it, else the broker's. */
  readonly settingsOf: (groupId: string) => ConsumerGroupSettings;
  /** A random UUID as Kafka writes it, never beginning with "-". */
  readonly newId: () => string;
  /** Tells the operator something. */
  readonly report: (text: string) => void;
}

/** What metrics look at. */
export interface CoordinatorCounts {
  readonly partitions: number;
  /** Partitions that are being loaded; not those whose disk refuses that for the moment. */
  readonly loading: number;
  /** Groups that have members, or had. */
  readonly groups: number;
  readonly offsets: number;
  readonly appendedBatches: number;
  /** Memory of groups and their members (group_memory.ts). */
  readonly groupBytes: number;
  /** Memory of long metadata of commits. */
  readonly metadataBytes: number;
}

/** Time of a turn for timers: 10,000 sessions that end at once take 0.2 s, and go on in the next turns. */
const TIMERS_MS_PER_TURN = 5;

/** A lack of memory makes it look for groups that nobody is in at most so often. */
const SHORTAGE_INTERVAL_MS = 10_000;
/** APIs about one group, which must have an id; commits without a group may have none (Kafka's GroupCoordinatorService). */
type OneGroupKey = 8 | 11 | 12 | 13 | 14 | 47 | 68;

type Carry<Key extends GroupApiKey> = (
  request: GroupRequest<Key>,
  client: CoordinatorClient,
  reply: Reply<GroupResponse<Key>>,
) => void;
type CarryIn<Key extends GroupApiKey> = (groups: GroupPartition, ...rest: Parameters<Carry<Key>>) => void;

const carriedInPartition: { readonly [Key in OneGroupKey]: CarryIn<Key> } = {
  8: (groups, request, { apiVersion }, reply) => groups.commit(request, apiVersion, reply),
  11: (groups, request, client, reply) =>
    groups.join(request, client, (response) => reply(joinResponseFor(client.apiVersion, response))),
  12: (groups, request, client, reply) => groups.heartbeat(request, client, reply),
  13: (groups, request, client, reply) => groups.leave(request, client, reply),
  14: (groups, request, client, reply) => groups.sync(request, client, reply),
  47: (groups, request, _client, reply) => reply(groups.deleteOffsets(request)),
  68: (groups, request, client, reply) => groups.consumerHeartbeat(request, client, reply),
};

/** The coordinator. */
export class GroupCoordinator implements Coordinator<GroupApis> {
  readonly #parts: GroupCoordinatorParts;
  readonly #partitionParts: OffsetsPartitionParts;
  readonly #timers = new Deadlines<Timer>();
  /** By number of the partition. */
  readonly #partitions = new Map<number, OffsetsPartition>();
  /** Those with slices to load now, which take turns one behind the other. */
  #loading: OffsetsPartition[] = [];
  /** When a lack of memory makes it look for expired groups again, monotonic ms. */
  #nextShortageMs = -Infinity;
  readonly #unsettled = new Set<OffsetsPartition>();
  readonly #work: SlicedWork;
  readonly #places: GroupPlaces = {
    placeOf: (groupId) => this.#placeOf(groupId),
    all: () => this.#isLoading ? null : this.#partitions.values(),
  };
  readonly #carried: { readonly [Key in GroupApiKey]: Carry<Key> } = {
    8: (request, client, reply) => this.#handleOne(8, request, client, reply),
    9: (request, client, reply) => this.#work.begin(fetchOffsets(this.#places, { request, client }, reply)),
    11: (request, client, reply) => this.#handleOne(11, request, client, reply),
    12: (request, client, reply) => this.#handleOne(12, request, client, reply),
    13: (request, client, reply) => this.#handleOne(13, request, client, reply),
    14: (request, client, reply) => this.#handleOne(14, request, client, reply),
    15: (request, client, reply) => this.#work.begin(describeGroups(this.#places, { request, client }, reply)),
    16: (request, _client, reply) => this.#work.begin(listGroups(this.#places, { request }, reply)),
    42: (request, _client, reply) => this.#work.begin(deleteGroups(this.#places, { request }, reply)),
    47: (request, client, reply) => this.#handleOne(47, request, client, reply),
    68: (request, client, reply) => this.#handleOne(68, request, client, reply),
    69: (request, _client, reply) => this.#work.begin(describeConsumerGroups(this.#places, { request }, reply)),
  };

  /** Knows nothing before the first `onImage()`. */
  constructor(parts: GroupCoordinatorParts) {
    this.#parts = parts;
    this.#work = new SlicedWork(() => parts.clock.monotonicMs());
    const { clock, purgatory, report, image, settings, settingsOf, newId } = parts;
    this.#partitionParts = {
      clock,
      purgatory,
      report,
      loadOn: (partition) => void this.#loading.push(partition),
      offsetsCommitTimeoutMs: parts.offsetsCommitTimeoutMs,
      builder: new GroupBatchBuilder(),
      memory: new LoadMemory(parts.fs),
      ports: {
        image,
        settings,
        settingsOf,
        newId,
        timers: this.#timers,
        memory: GroupMemory.forGroups(parts.shardsCount, () => this.#expireSoon()),
        metadataMemory: GroupMemory.forMetadata(parts.shardsCount),
        nowMs: () => clock.monotonicMs(),
        wallMs: () => clock.wallMs(),
      },
    };
  }

  get nextDeadlineMs(): number {
    return this.#loading.length > 0 || !this.#work.isEmpty ? 0 : this.#timers.nextMs;
  }

  get hasGathered(): boolean {
    return this.#unsettled.size > 0;
  }

  /** What metrics look at. */
  get counts(): CoordinatorCounts {
    const partitions = [...this.#partitions.values()];
    const sum = (of: (partition: OffsetsPartition) => number) => partitions.reduce((total, one) => total + of(one), 0);
    return {
      partitions: partitions.length,
      loading: this.#loading.length,
      groups: sum(({ groups }) => groups.groupsCount),
      offsets: sum(({ groups }) => groups.offsets.count),
      appendedBatches: sum(({ log }) => log.appendedBatches),
      groupBytes: this.#partitionParts.ports.memory.bytes,
      metadataBytes: this.#partitionParts.ports.metadataMemory.bytes,
    };
  }

  /**
   * Carries a request out. One about several groups (OffsetFetch v8+, DescribeGroups, DeleteGroups, ConsumerGroupDescribe) may name
   * groups of any partition: those that this shard does not coordinate get NOT_COORDINATOR, so whoever asks sends each shard
   * its groups. ListGroups lists those of this shard. Group ids, topics and partitions are checked here; authorization is not.
   */
  handle<Key extends GroupApiKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    client: CoordinatorClient,
    reply: Reply<GroupResponse<Key>>,
  ): void {
    (this.#carried[apiKey] as Carry<Key>)(request, client, reply);
  }

  onImage({ changed, deleted }: TopicChange): void {
    if (deleted.some(({ name }) => name === OFFSETS_TOPIC)) this.dispose();
    const offsets = changed.find(({ name }) => name === OFFSETS_TOPIC);
    if (offsets !== undefined) this.#open(offsets);
    const names = new Set([...changed, ...deleted].map(({ name }) => name));
    for (const partition of this.#partitions.values()) partition.onImage(names, deleted);
  }

  runTurn(nowMs: number): void {
    const [loading] = this.#loading;
    if (loading !== undefined) {
      loading.load();
      if (!loading.isLoading || loading.isPaused) this.#loading.shift();
      if (this.#loading.length === 0) this.#partitionParts.memory.drop();
    }
    this.#work.run();
    const untilMs = nowMs + TIMERS_MS_PER_TURN;
    for (let due = this.#timers.takeExpired(nowMs); due !== null; due = this.#timers.takeExpired(nowMs)) {
      due.onDue(nowMs);
      if (this.#parts.clock.monotonicMs() >= untilMs) break;
    }
  }

  writeGathered(): void {
    for (const partition of this.#unsettled) {
      this.#unsettled.delete(partition);
      partition.groups.settle();
    }
  }

  dispose(): void {
    for (const partition of this.#partitions.values()) partition.dispose();
    this.#partitions.clear();
    this.#unsettled.clear();
    this.#loading = [];
    this.#work.finish();
  }

  get #isLoading(): boolean {
    for (const partition of this.#partitions.values()) if (partition.isLoading) return true;
    return false;
  }

  /** Somebody finds no memory: groups that nobody is in go now, not with the next check for expired offsets. */
  #expireSoon(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs < this.#nextShortageMs) return;
    this.#nextShortageMs = nowMs + SHORTAGE_INTERVAL_MS;
    for (const partition of this.#partitions.values()) partition.expireSoon();
  }

  #open(topic: TopicImage): void {
    for (const { partition: number, shard, slot } of topic.partitions) {
      if (shard !== this.#parts.shard) continue;
      const partition = this.#parts.partitions.ownAt(slot);
      const known = this.#partitions.get(number);
      if (partition === undefined || known?.isOf(partition)) continue;
      known?.dispose();
      const opened = new OffsetsPartition(partition, `${OFFSETS_TOPIC}-${number}`, this.#partitionParts);
      this.#partitions.set(number, opened);
      this.#loading.push(opened);
    }
  }

  /** The partition of a group, or Kafka's code for that it cannot be asked. */
  #placeOf(groupId: string): OffsetsPartition | number {
    const count = this.#parts.image.topic(OFFSETS_TOPIC)?.partitions.length ?? 0;
    const partition = count === 0 ? undefined : this.#partitions.get(partitionOfKey(groupId, count));
    if (partition === undefined) return errorCode.NOT_COORDINATOR;
    return partition.refusal === errorCode.NONE ? partition : partition.refusal;
  }

  #handleOne<Key extends OneGroupKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    client: CoordinatorClient,
    reply: Reply<GroupResponse<Key>>,
  ): void {
    const { groupId } = request as { groupId: string };
    const refuse = (code: number) => reply(refuseGroupRequest(apiKey, request, code, client.apiVersion));
    const refusal = refusalOf(apiKey, request);
    if (refusal !== errorCode.NONE) return refuse(refusal);
    const place = this.#placeOf(groupId);
    if (typeof place === "number") {
      // A member must not lose its partitions because the coordinator starts.
      const isLoading = apiKey === 12 && place === errorCode.COORDINATOR_LOAD_IN_PROGRESS;
      return refuse(isLoading ? errorCode.NONE : place);
    }
    const carry = carriedInPartition[apiKey] as CarryIn<Key>;
    // A heartbeat of a classic group appends nothing, and its response is used again.
    if (apiKey === 12) return carry(place.groups, request, client, reply);
    carry(
      place.groups,
      request,
      client,
      (response) => place.replies.add((code) => code === errorCode.NONE ? reply(response) : refuse(code)),
    );
    if (place.groups.isUnsettled) this.#unsettled.add(place);
  }
}

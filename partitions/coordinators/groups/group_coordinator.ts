/**
 * The group coordinator of one shard. It coordinates the groups whose partition of `__consumer_offsets` this shard owns: a commit is
 * appended without a hop, and heartbeats never wait behind metadata work. Runs on shards; synchronous.
 *
 * Requests from this shard's connections and from other shards enter through `handle()`.
 *
 * Source: Kafka's GroupCoordinatorService and CoordinatorRuntime.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { Clock, FileSystem } from "../../../storage/mod.ts";
import type { MetadataImage } from "../../metadata/image.ts";
import type { Partition } from "../../owned/partition.ts";
import type { TopicChange } from "../../owned/topic_changes.ts";
import { Deadlines } from "../../requests/deadlines.ts";
import type { Purgatory } from "../../requests/purgatory.ts";
import { OFFSETS_TOPIC } from "../key_partition.ts";
import type { Coordinator, CoordinatorClient, Reply } from "../runtime/coordinator.ts";
import { CoordinatorRuntime } from "../runtime/coordinator_runtime.ts";
import type { Timer } from "../runtime/lazy_timer.ts";
import type { Work } from "../runtime/sliced_work.ts";
import type { GroupApiKey, GroupApis, GroupRequest, GroupResponse } from "./group_apis.ts";
import { GroupMemory } from "./group_memory.ts";
import { GroupPartition } from "./group_partition.ts";
import type { ConsumerGroupSettings, GroupSettings } from "./group_ports.ts";
import type { GroupsToSurvey, SurveyedGroups } from "../../requests/surveyed_groups.ts";
import { isLongCommit } from "./offsets/commits.ts";
import { joinResponseFor, refusalOf, refuseGroupRequest } from "./group_refusals.ts";
import { type GroupRecord, groupRecordCodec } from "./records/group_record.ts";
import {
  commitInSteps,
  deleteGroups,
  describeConsumerGroups,
  describeGroups,
  fetchOffsets,
  listGroups,
  type OffsetsPartition,
  type OffsetsPartitions,
} from "./several_groups.ts";

/** What GroupCoordinator is built from. */
export interface GroupCoordinatorParts {
  readonly shard: number;
  /** How many shards share the broker's budgets (group_memory.ts). */
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
  /** Settings of one group: its own where set, else the broker's. */
  readonly settingsOf: (groupId: string) => ConsumerGroupSettings;
  /** A random UUID as Kafka writes it, never beginning with "-". */
  readonly newId: () => string;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
}

/** The figures for metrics. */
export interface CoordinatorCounts {
  readonly partitions: number;
  /** Partitions that are being loaded, without those that pause because the disk refused a read. */
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

/** The least time between two searches for groups without members that a lack of memory starts. */
const SHORTAGE_INTERVAL_MS = 10_000;
/** APIs about one group, which must have an id; commits without a group may have none (Kafka's GroupCoordinatorService). */
type OneGroupKey = 8 | 11 | 12 | 13 | 14 | 47 | 68;

/** APIs about several groups, or about one that may take long. */
type SeveralGroupsKey = Exclude<GroupApiKey, OneGroupKey>;

type HandleOne<Key extends GroupApiKey> = (
  groups: GroupPartition,
  request: GroupRequest<Key>,
  client: CoordinatorClient,
  reply: Reply<GroupResponse<Key>>,
) => void;
type HandleSeveral<Key extends GroupApiKey> = (
  partitions: OffsetsPartitions,
  asked: { request: GroupRequest<Key>; client: CoordinatorClient },
  reply: Reply<GroupResponse<Key>>,
) => Work;

const aboutOneGroup: { readonly [Key in OneGroupKey]: HandleOne<Key> } = {
  8: (groups, request, { apiVersion }, reply) => groups.commits.commit(request, apiVersion, reply),
  11: (groups, request, client, reply) =>
    groups.join(request, client, (response) => reply(joinResponseFor(client.apiVersion, response))),
  12: (groups, request, client, reply) => groups.heartbeat(request, client, reply),
  13: (groups, request, client, reply) => groups.leave(request, client, reply),
  14: (groups, request, client, reply) => groups.sync(request, client, reply),
  47: (groups, request, _client, reply) => reply(groups.offsets.delete(request)),
  68: (groups, request, client, reply) => groups.consumerHeartbeat(request, client, reply),
};

const aboutSeveralGroups: { readonly [Key in SeveralGroupsKey]: HandleSeveral<Key> } = {
  9: fetchOffsets,
  15: describeGroups,
  16: listGroups,
  42: deleteGroups,
  69: describeConsumerGroups,
};

/** The group coordinator of one shard. */
export class GroupCoordinator implements Coordinator<GroupApis>, GroupsToSurvey {
  readonly #clock: Clock;
  readonly #runtime: CoordinatorRuntime<GroupRecord, GroupPartition>;
  readonly #memory: GroupMemory;
  readonly #metadataMemory: GroupMemory;
  /** From when a lack of memory may start another search for expired groups, monotonic ms. */
  #nextShortageMs = -Infinity;
  readonly #partitions: OffsetsPartitions = {
    partitionOf: (groupId) => this.#runtime.partitionOf(groupId),
    all: () => this.#runtime.isLoading ? null : this.#runtime.partitions,
  };

  /** Creates a coordinator that knows no partition before the first `onImage()`. */
  constructor(parts: GroupCoordinatorParts) {
    const { clock, image, settings, settingsOf, newId, shardsCount } = parts;
    const timers = new Deadlines<Timer>();
    this.#clock = clock;
    this.#memory = GroupMemory.forGroups(shardsCount, () => this.#expireSoon());
    this.#metadataMemory = GroupMemory.forMetadata(shardsCount);
    const ports = {
      image,
      settings,
      settingsOf,
      newId,
      timers,
      memory: this.#memory,
      metadataMemory: this.#metadataMemory,
      nowMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
    };
    this.#runtime = new CoordinatorRuntime({
      topic: OFFSETS_TOPIC,
      coordinates: "groups",
      codec: groupRecordCodec,
      expiryIntervalMs: settings.offsetsRetentionCheckIntervalMs,
      make: (log, background) => new GroupPartition({ ...ports, log }, background),
    }, { ...parts, timers, replyWaitMsMax: parts.offsetsCommitTimeoutMs });
  }

  get nextDeadlineMs(): number {
    return this.#runtime.nextDeadlineMs;
  }

  get hasGathered(): boolean {
    return this.#runtime.hasGathered;
  }

  /** Returns the figures for metrics. */
  get counts(): CoordinatorCounts {
    const partitions = [...this.#runtime.partitions];
    const sum = (of: (partition: OffsetsPartition) => number) => partitions.reduce((total, one) => total + of(one), 0);
    return {
      partitions: partitions.length,
      loading: this.#runtime.loadingCount,
      groups: sum(({ machine }) => machine.groupsCount),
      offsets: sum(({ machine }) => machine.offsets.committed.count),
      appendedBatches: sum(({ log }) => log.appendedBatches),
      groupBytes: this.#memory.bytes,
      metadataBytes: this.#metadataMemory.bytes,
    };
  }

  /**
   * Answers a request. A request about several groups (OffsetFetch v8+, DescribeGroups, DeleteGroups, ConsumerGroupDescribe) may name
   * groups of any partition. Groups that this shard does not coordinate get NOT_COORDINATOR, so the caller sends each shard its own
   * groups. ListGroups lists the groups of this shard. Group ids, topics and partitions are checked here; authorization is not.
   */
  handle<Key extends GroupApiKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    client: CoordinatorClient,
    reply: Reply<GroupResponse<Key>>,
  ): void {
    if (isAboutOneGroup(apiKey)) return this.#handleOne(apiKey, request as GroupRequest<OneGroupKey>, client, reply);
    const handle = aboutSeveralGroups[apiKey as SeveralGroupsKey] as HandleSeveral<GroupApiKey>;
    this.#runtime.begin(handle(this.#partitions, { request, client }, reply as Reply<unknown>));
  }

  *surveyGroups(into: SurveyedGroups): Generator<void, void> {
    for (const { machine } of [...this.#runtime.partitions]) yield* machine.survey(into);
  }

  onImage(change: TopicChange): void {
    this.#runtime.onImage(change);
  }

  runTurn(nowMs: number): void {
    this.#runtime.runTurn(nowMs);
  }

  writeGathered(mayContinue: () => boolean): void {
    this.#runtime.writeGathered(mayContinue);
  }

  dispose(): void {
    this.#runtime.dispose();
  }

  /** A request found no memory: groups without members are removed now instead of at the next search for expired offsets. */
  #expireSoon(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextShortageMs) return;
    this.#nextShortageMs = nowMs + SHORTAGE_INTERVAL_MS;
    this.#runtime.expireSoon();
  }

  #handleOne(
    apiKey: OneGroupKey,
    request: GroupRequest<OneGroupKey>,
    client: CoordinatorClient,
    reply: Reply<never>,
  ): void {
    const refuse = (code: number) => reply(refuseGroupRequest(apiKey, request, code, client.apiVersion) as never);
    const refusal = refusalOf(apiKey, request);
    if (refusal !== errorCode.NONE) return refuse(refusal);
    const partition = this.#runtime.partitionOf(request.groupId);
    if (typeof partition === "number") {
      // A member must not lose its partitions because the coordinator starts.
      const isLoading = apiKey === 12 && partition === errorCode.COORDINATOR_LOAD_IN_PROGRESS;
      return refuse(isLoading ? errorCode.NONE : partition);
    }
    if (apiKey === 8 && isLongCommit(request as GroupRequest<8>)) {
      const asked = { request: request as GroupRequest<8>, client };
      return this.#runtime.begin(commitInSteps(this.#partitions, asked, reply as Reply<unknown>));
    }
    const { machine, replies } = partition;
    const handle = aboutOneGroup[apiKey] as HandleOne<GroupApiKey>;
    // A heartbeat of a classic group appends nothing, and its response object is reused.
    if (apiKey === 12) return handle(machine, request, client, reply as Reply<unknown>);
    handle(machine, request, client, (response) => {
      replies.add((code) => code === errorCode.NONE ? reply(response as never) : refuse(code));
    });
  }
}

function isAboutOneGroup(apiKey: GroupApiKey): apiKey is OneGroupKey {
  return apiKey in aboutOneGroup;
}

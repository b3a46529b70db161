/**
 * One of several brokers that have replicas of a partition of `__consumer_offsets`: its log, its role, and its coordinator while it leads.
 * What leads and what follows is the code of the shards; requests between brokers are carried by coordinator_cluster_testing.ts. Tests only.
 */
import { strict as assert } from "node:assert";
import type { ManualClock } from "../../../storage/base/clock.ts";
import { nativeMemory } from "../../../storage/sys/memory.ts";
import type { Offset } from "../../../storage/base/units.ts";
import { Log } from "../../../storage/log/log.ts";
import { CrashingFileSystem } from "../../../tests/crashing_file_system.ts";
import { logOptions } from "../../../tests/log_fixture.ts";
import type { PartitionRow } from "../../cluster/partition_row.ts";
import type { RowOutcome, RowProposal } from "../../cluster/row_proposals.ts";
import { type BrokerImage, MetadataImage, type PartitionImage, type TopicImage } from "../../metadata/image.ts";
import { LedReplicas } from "../../owned/led_replicas.ts";
import { Partition } from "../../owned/partition.ts";
import { deafOwner, smallLogs, topicOn } from "../../owned/partition_testing.ts";
import { AnsweredBatches } from "../../replication/fetcher/answered_batches.ts";
import { FollowedReplica, type ReplicaAnswer } from "../../replication/fetcher/followed_replica.ts";
import type { FetchAction } from "../../replication/follower_state.ts";
import { Purgatory } from "../../requests/purgatory.ts";
import { InterestTable, WatermarkTable } from "../../shared/watermarks.ts";
import { OFFSETS_TOPIC } from "../key_partition.ts";
import type { CoordinatorClient } from "../runtime/coordinator.ts";
import { FIRST_SLOT, ordinaryTopic, topicIds } from "./coordinator_testing.ts";
import type { GroupApiKey, GroupRequest, GroupResponse } from "./group_apis.ts";
import { GroupCoordinator } from "./group_coordinator.ts";
import type { GroupSettings } from "./group_ports.ts";
import { Call, testGroupSettings } from "./group_ports_testing.ts";

const config = { ...smallLogs, compact: true };
const FETCH_BYTES = 1 << 16;
const BACKOFF_MS = 10;

/** A planted mistake: replies that do not wait for the other replicas, or a coordinator that does not see the end of its leadership. */
export type PlantedMistake = "acknowledges early" | "does not resign";

/** What the brokers share. */
export interface ReplicaSurroundings {
  readonly clock: ManualClock;
  readonly random: () => number;
  readonly settings: GroupSettings;
  readonly mistake: PlantedMistake | null;
  brokers(): ReadonlyMap<number, BrokerImage>;
  /** A leader wants changes of the row. */
  propose(proposals: readonly RowProposal[], done: (outcomes: readonly RowOutcome[]) => void): void;
  newId(): string;
}

/** A broker; it does not run before `start()`. */
export class CoordinatedReplica {
  readonly nodeId: number;
  /** Epoch of its process. */
  brokerEpoch = 0;
  readonly reports: string[] = [];
  readonly #around: ReplicaSurroundings;
  readonly #files: CrashingFileSystem;
  readonly #purgatory = new Purgatory(new InterestTable(InterestTable.allocate(1)), 0);
  readonly #table = new WatermarkTable(WatermarkTable.allocate());
  readonly #answer = new AnsweredBatches(nativeMemory(new ArrayBuffer(2 * FETCH_BYTES)));
  #image = new MetadataImage();
  #led: LedReplicas | null = null;
  #partition: Partition | null = null;
  #followed: FollowedReplica | null = null;
  #coordinator: GroupCoordinator | null = null;
  /** Epochs of the row that it knows, and of the leader that it follows; -1 for none. */
  #partitionEpoch = -1;
  #followedEpoch = -1;
  /** Its coordinator has not heard of the row yet. */
  #unheard: TopicImage | null = null;

  constructor(nodeId: number, around: ReplicaSurroundings) {
    this.nodeId = nodeId;
    this.#around = around;
    this.#files = new CrashingFileSystem(around.random);
  }

  get isRunning(): boolean {
    return this.#partition !== null;
  }

  get partition(): Partition {
    assert(this.#partition !== null, "the broker runs");
    return this.#partition;
  }

  get coordinator(): GroupCoordinator {
    assert(this.#coordinator !== null, "the broker runs");
    return this.#coordinator;
  }

  /** What it fetches next; null while it leads, or is cut off. */
  get fetch(): FetchAction | null {
    return this.#followed?.fetch ?? null;
  }

  /** Who leads, as it knows. */
  get knownLeader(): number {
    return this.#image.topic(OFFSETS_TOPIC)?.partitions[0]?.leader ?? -1;
  }

  /** When it has something to do, monotonic ms. */
  get dueMs(): number {
    return Math.min(this.coordinator.nextDeadlineMs, this.#led!.nextDeadlineMs, this.#followed?.dueMs ?? Infinity);
  }

  /** A process begins. @param row as it knows it @param highWatermark that was checkpointed */
  start(row: PartitionRow, brokerEpoch: number, highWatermark: Offset): void {
    const { clock, settings, brokers, propose, newId } = this.#around;
    const report = (text: string) => void this.reports.push(text);
    this.brokerEpoch = brokerEpoch;
    const log = Log.open(
      logOptions("/logs/offsets-0", { fs: this.#files.fileSystem, clock, config, topicId: topicIds.offsets, report }),
    );
    const owner = { ...deafOwner, onProgress: (slot: number) => this.#purgatory.markProgress(slot) };
    const place = { slot: FIRST_SLOT, leaderEpoch: row.leaderEpoch, config, table: this.#table, owner };
    const parts = { ...place, followsFrom: highWatermark, isAlone: false };
    const partition = this.#partition = this.#plant(log, parts);
    this.#led = new LedReplicas(
      { lagMaxMs: Infinity, brokers, minIsrOf: () => row.minIsr, change: propose },
      { nodeId: this.nodeId, clock },
    );
    this.#image = new MetadataImage();
    this.#image.apply({ changed: [topicOf(row), ordinaryTopic("a"), ordinaryTopic("b")], deletedIds: [] });
    this.#coordinator = new GroupCoordinator({
      ...{ shard: 0, shardsCount: 1, clock, fs: this.#files.fileSystem, image: this.#image, settings, newId, report },
      partitions: { ownAt: (slot) => slot === FIRST_SLOT ? partition : undefined },
      purgatory: this.#purgatory,
      offsetsCommitTimeoutMs: 5000,
      settingsOf: () => testGroupSettings,
    });
    this.learn(row);
  }

  /** Kills the process: what it has written stays. */
  kill(): void {
    this.#files.restart("all");
    this.#partition =
      this.#led =
      this.#followed =
      this.#coordinator =
      this.#unheard =
        null;
  }

  /** It learns of a row: the partition at once, the coordinator a little later, as on a shard. */
  learn(row: PartitionRow): void {
    const topic = topicOf(row);
    const [place] = topic.partitions as [PartitionImage];
    const { leader, leaderEpoch } = row;
    const leads = leader === this.nodeId;
    if (row.partitionEpoch <= this.#partitionEpoch) return;
    this.#partitionEpoch = row.partitionEpoch;
    this.#image.apply({ changed: [topic], deletedIds: [] });
    this.partition.update({ leads, follows: !leads, leaderEpoch, config, led: this.#led!.rowOf(topic, place) });
    if (leads) {
      this.#followed?.stop();
      this.#followed = null;
    } else if (this.#followed === null || this.#followedEpoch !== leaderEpoch) {
      this.#followed ??= this.#newFollowed();
      this.#followed.follow({ leader, leaderEpoch });
    }
    this.#followedEpoch = leaderEpoch;
    this.#unheard = topic;
  }

  /** One turn of its reactor. */
  turn(): void {
    const nowMs = this.#around.clock.monotonicMs();
    if (this.#unheard !== null) this.coordinator.onImage({ changed: [this.#unheard], deleted: [] });
    this.#unheard = null;
    this.#led!.run(nowMs);
    if (this.#followed !== null && nowMs >= this.#followed.dueMs) this.#followed.run(nowMs);
    this.coordinator.runTurn(nowMs);
    this.#purgatory.expire(nowMs);
    this.coordinator.writeGathered(() => true);
    while (this.#purgatory.checkMarked());
  }

  /** Answers the fetch of a follower. */
  serve(follower: CoordinatedReplica, asked: FetchAction): ReplicaAnswer {
    const { log, highWatermark, leader } = this.partition;
    const { nodeId: replica, brokerEpoch } = follower;
    const position = leader?.fetched({ ...asked, replica, brokerEpoch }) ?? "not-leader-or-follower";
    const marks = { highWatermark, logStartOffset: log.logStartOffset };
    if (position === "fenced-leader-epoch" || position === "offset-out-of-range") return { kind: position };
    if (position === "not-leader-or-follower" || position === "unknown-leader-epoch") return { kind: "not-yet" };
    if (typeof position === "object") return { kind: "diverging", diverging: position, ...marks };
    const records = Object.assign(this.#answer, { length: 0, ...marks });
    const options = { maxBytes: FETCH_BYTES, maxOffset: log.logEndOffset, atLeastOne: true };
    const { slice } = log.read(asked.offset, options);
    if (slice === null) return { kind: "records", records };
    records.length = this.#files.fileSystem.pread(slice.fd, records.memory, 0, slice.length, slice.position);
    log.release(slice.leaseId);
    return { kind: "records", records };
  }

  /** An answer of the leader has arrived; null when the connection was lost. */
  answered(asked: FetchAction, answer: ReplicaAnswer | null): void {
    const nowMs = this.#around.clock.monotonicMs();
    if (answer === null) this.#followed!.lost(nowMs);
    else this.#followed!.answered(asked, answer, nowMs);
  }

  /** It asks for the ends of the leader's log, because its own one ends elsewhere. @param leader null when it does not run */
  askOffsets(leader: CoordinatedReplica | null): void {
    const question = this.#followed?.question ?? null;
    if (question === null) return;
    const answers = leader?.partition.isLeader === true && leader.partition.leaderEpoch === question.leaderEpoch;
    const { logStartOffset: start, logEndOffset: end } = answers ? leader.partition.log : this.partition.log;
    this.#followed!.offsetsAnswered(question, answers ? { start, end } : null, this.#around.clock.monotonicMs());
  }

  /** Sends a request to its coordinator, and ends no turn. */
  send<Key extends GroupApiKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    apiVersion: number,
  ): Call<GroupResponse<Key>> {
    const call = new Call<GroupResponse<Key>>();
    const client: CoordinatorClient = { clientId: "client", clientHost: "/127.0.0.1", apiVersion };
    this.coordinator.handle(apiKey, request, client, call.reply);
    return call;
  }

  #newFollowed(): FollowedReplica {
    const { clock } = this.#around;
    const name = { topicId: topicIds.offsets, topicName: OFFSETS_TOPIC, partition: 0 };
    return new FollowedReplica(name, this.partition, {
      backoffMs: BACKOFF_MS,
      wallMs: () => clock.wallMs(),
      onFetched: () => {},
      abortCleaning: () => true,
      report: (text) => void this.reports.push(text),
    });
  }

  #plant(log: Log, parts: ConstructorParameters<typeof Partition>[1]): Partition {
    const { mistake } = this.#around;
    if (mistake === null) return new Partition(log, parts);
    return mistake === "acknowledges early" ? new EagerPartition(log, parts) : new ForgetfulPartition(log, parts);
  }
}

/** To its coordinator, everything is committed when it is written. */
class EagerPartition extends Partition {
  override get highWatermark(): Offset {
    return this.isLeader ? this.log.logEndOffset : super.highWatermark;
  }
}

/** To its coordinator, there is one leadership. */
class ForgetfulPartition extends Partition {
  override get leadership(): number {
    return 1;
  }
}

function topicOf(row: PartitionRow): TopicImage {
  const { leader, leaderEpoch, minIsr, recovering, adding, removing, ...shown } = row;
  const names = { name: OFFSETS_TOPIC, id: topicIds.offsets, slots: [FIRST_SLOT], config };
  const topic = topicOn([0], { ...names, leader, leaderEpoch });
  const replication = { minIsr, recovering, adding, removing };
  return { ...topic, partitions: topic.partitions.map((place) => ({ ...place, ...shown, replication })) };
}

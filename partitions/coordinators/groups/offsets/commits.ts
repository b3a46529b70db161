/**
 * OffsetCommit in one partition of `__consumer_offsets`. A usual commit gathers its records, which are written together with those of
 * other commits at the end of the turn. A commit of very many partitions is prepared over several turns (20 ms for 8,192 partitions,
 * nearly all of it for encoding) and then checked, appended and applied in one step. Runs on the shard that owns the partition.
 *
 * Always: the records of a commit are one batch, so that a crash or a refused append leaves all of them or none. Its group and its topics
 * are checked as they are when it is appended, or gathered. Preparing a commit changes nothing; commits that are appended meanwhile come
 * before it.
 *
 * Source: Kafka's OffsetMetadataManager.commitOffset.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type {
  OffsetCommitRequest,
  OffsetCommitRequestTopic,
  OffsetCommitResponse,
} from "../../../../net/protocol/messages/08_offset_commit.ts";
import type { Reply } from "../../runtime/coordinator.ts";
import type { RecordLog } from "../../runtime/record_log.ts";
import type { Group } from "../kept_groups.ts";
import type { GroupRecord, OffsetCommitRecord } from "../records/group_record.ts";
import type { Offsets, PlannedCommit } from "./offsets.ts";

/** The first version of OffsetCommit that answers GROUP_ID_NOT_FOUND (KIP-848). */
const COMMIT_NOT_FOUND_VERSION = 9;
/** The most topics and partitions of a commit that is not long: they take a millisecond or two. */
const USUAL_ELEMENTS_MAX = 500;
/** The most topics and partitions that a step of a long commit prepares: about a millisecond. */
const ELEMENTS_PER_STEP = 500;

/** What commits use of the partition. */
export interface CommitScene {
  readonly offsets: Offsets;
  readonly log: RecordLog<GroupRecord>;
  readonly wallMs: () => number;
  /** Whether a group has an object. */
  readonly hasGroup: (groupId: string) => boolean;
  /** Finds a group, including one that has only offsets or has lost them. */
  readonly findGroup: (groupId: string) => Group | undefined;
}

/** Whether a commit takes several turns. Requests behind it on its connection wait (net/handlers/08_offset_commit.ts). */
export function isLongCommit({ topics }: OffsetCommitRequest): boolean {
  let elements = topics.length;
  if (elements > USUAL_ELEMENTS_MAX) return true;
  for (const { partitions } of topics) elements += partitions.length;
  return elements > USUAL_ELEMENTS_MAX;
}

/** The commits of one partition. */
export class Commits {
  readonly #scene: CommitScene;

  /** @param scene the offsets, the log and the groups of the partition */
  constructor(scene: CommitScene) {
    this.#scene = scene;
  }

  /** Handles a usual commit. It is answered at the end of the turn, or at once if nothing has to be written. */
  commit(request: OffsetCommitRequest, apiVersion: number, reply: Reply<OffsetCommitResponse>): void {
    const { offsets, log, wallMs } = this.#scene;
    const plan = offsets.planCommit(request, { apiVersion, nowMs: wallMs() });
    if (!this.#accepts(request, plan, apiVersion)) return reply(plan.response);
    log.gather(plan.records, (code) => {
      refuse(plan, code);
      reply(plan.response);
    });
  }

  /**
   * Handles a long commit in steps.
   * @param isLed asked before the append: whether this shard still coordinates the partition
   * @returns the answer
   */
  *commitInSteps(
    { request, apiVersion }: { request: OffsetCommitRequest; apiVersion: number },
    isLed: () => boolean,
  ): Generator<void, OffsetCommitResponse> {
    const { offsets, log, wallMs } = this.#scene;
    const context = { apiVersion, nowMs: wallMs() };
    using batch = log.beginLong();
    const contents = new BatchContents();
    for (const piece of piecesOf(request)) {
      for (const record of offsets.planCommit(piece, context).records) {
        batch.add(record);
        contents.add(record);
      }
      yield;
    }
    // Records on the heap would outlive these turns, so they are made again: that takes a tenth of the time of encoding them.
    const plan = offsets.planCommit(request, context);
    if (!isLed()) refuse(plan, errorCode.NOT_COORDINATOR);
    else if (this.#accepts(request, plan, apiVersion)) {
      if (contents.are(plan.records)) refuse(plan, log.appendLong(plan.records, batch));
      else refuse(plan, this.#commitAtOnce(plan)); // A topic was deleted meanwhile, for example.
    }
    return plan.response;
  }

  #commitAtOnce({ records }: PlannedCommit): number {
    using batch = this.#scene.log.beginLong();
    for (const record of records) batch.add(record);
    return this.#scene.log.appendLong(records, batch);
  }

  /** Whether there is something to write. If the group refuses the commit, the answer says why. */
  #accepts(request: OffsetCommitRequest, plan: PlannedCommit, apiVersion: number): boolean {
    // Kafka asks the group only about topics that exist.
    const code = plan.known.length === 0 ? errorCode.NONE : this.#validate(request, plan, apiVersion);
    refuse(plan, code);
    return code === errorCode.NONE && plan.records.length > 0;
  }

  #validate(request: OffsetCommitRequest, plan: PlannedCommit, apiVersion: number): number {
    const { hasGroup, findGroup } = this.#scene;
    // A client without a generation may commit while the group has no members.
    if (!hasGroup(request.groupId) && request.generationIdOrMemberEpoch < 0) return errorCode.NONE;
    const group = findGroup(request.groupId);
    if (group === undefined) {
      return apiVersion >= COMMIT_NOT_FOUND_VERSION ? errorCode.GROUP_ID_NOT_FOUND : errorCode.ILLEGAL_GENERATION;
    }
    const code = group.validateOffsetCommit(request, apiVersion);
    if (code !== errorCode.NONE || group.type === "classic") return code;
    for (const { key } of plan.records) {
      const refused = group.validatePartitionCommit(request, key.topic, key.partition);
      if (refused !== errorCode.NONE) return refused;
    }
    return errorCode.NONE;
  }
}

/** Gives the partitions that exist an error. @param code 0 leaves the answer as it is */
function refuse(plan: PlannedCommit, code: number): void {
  if (code === errorCode.NONE) return;
  for (const partition of plan.known) partition.errorCode = code;
}

/** Divides a commit into commits of few topics and partitions. */
function* piecesOf(request: OffsetCommitRequest): Generator<OffsetCommitRequest, void> {
  let topics: OffsetCommitRequestTopic[] = [];
  let room = ELEMENTS_PER_STEP;
  for (const topic of request.topics) {
    const { partitions } = topic;
    for (let from = 0; from < partitions.length;) {
      const piece = partitions.slice(from, from + Math.max(1, room - 1));
      topics.push({ ...topic, partitions: piece });
      from += piece.length;
      room -= 1 + piece.length;
      if (room > 0) continue;
      yield { ...request, topics };
      topics = [];
      room = ELEMENTS_PER_STEP;
    }
  }
  yield { ...request, topics };
}

/** What the records of a batch are about: they differ in nothing else while a commit is prepared. */
class BatchContents {
  readonly #topicIds: (string | undefined)[] = [];
  readonly #partitions: number[] = [];

  add({ key, value }: OffsetCommitRecord): void {
    this.#topicIds.push(value?.topicId);
    this.#partitions.push(key.partition);
  }

  are(records: readonly OffsetCommitRecord[]): boolean {
    const [topicIds, partitions] = [this.#topicIds, this.#partitions];
    return records.length === partitions.length &&
      records.every(({ key, value }, at) => key.partition === partitions[at] && value?.topicId === topicIds[at]);
  }
}

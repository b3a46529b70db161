/**
 * The committed offsets of one partition of `__consumer_offsets` and the groups they belong to: a group decides whether its offsets may
 * be read or deleted, and offsets are removed when their topic is deleted or when they expire. Runs on the shard that owns the
 * partition. Commits are in commits.ts.
 *
 * A group without an object exists here: it has offsets, or lost its last one recently (emptied_groups.ts).
 *
 * Source: Kafka's GroupCoordinatorShard, OffsetMetadataManager.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type {
  OffsetFetchRequestGroup,
  OffsetFetchResponseGroup,
} from "../../../../net/protocol/messages/09_offset_fetch.ts";
import type { OffsetDeleteRequest, OffsetDeleteResponse } from "../../../../net/protocol/messages/47_offset_delete.ts";
import type { BackgroundWork } from "../../runtime/background_work.ts";
import type { RecordLog } from "../../runtime/record_log.ts";
import type { DeletedTopic } from "../../runtime/state_machine.ts";
import { EmptiedGroups } from "../emptied_groups.ts";
import type { GroupPorts } from "../group_ports.ts";
import type { Group, KeptGroups } from "../kept_groups.ts";
import type { GroupRecord, OffsetCommitRecord } from "../records/group_record.ts";
import { expireAll } from "./expiry.ts";
import { Offsets } from "./offsets.ts";

/** What GroupOffsets uses of the partition. */
export interface GroupOffsetsScene {
  readonly ports: GroupPorts;
  readonly log: RecordLog<GroupRecord>;
  readonly background: BackgroundWork;
  /** Groups that have an object. */
  readonly groups: KeptGroups;
  /** Finds a group, including one that has only offsets or has lost them. */
  readonly findGroup: (groupId: string) => Group | undefined;
  /** Appends and applies records. @returns Kafka's error code, 0 when they are written */
  readonly append: (records: readonly GroupRecord[]) => number;
}

/** The committed offsets of one partition, with their groups. */
export class GroupOffsets {
  readonly committed: Offsets;
  readonly emptied: EmptiedGroups;
  readonly #scene: GroupOffsetsScene;
  /** Deleted topics whose offsets are being removed, and the progress of that. */
  #deletedTopics: DeletedTopic[] = [];
  #deletedRow = -1;

  /** @param scene the groups, the log and the ports of the partition */
  constructor(scene: GroupOffsetsScene) {
    const { image, memory, metadataMemory, settings } = scene.ports;
    this.#scene = scene;
    this.emptied = new EmptiedGroups(memory);
    this.committed = new Offsets({ image, metadataBytesMax: settings.offsetMetadataMaxBytes, memory: metadataMemory });
  }

  /** Whether a group, which may have no object, has offsets or lost its last one recently. */
  hasSimpleGroup(groupId: string): boolean {
    return this.committed.has(groupId) || this.emptied.has(groupId);
  }

  /** One group's part of OffsetFetch, in steps. */
  *fetch(request: OffsetFetchRequestGroup, apiVersion: number): Generator<void, OffsetFetchResponseGroup> {
    const { log, groups } = this.#scene;
    log.writeGathered();
    const group = groups.get(request.groupId);
    // A group that does not exist has no offsets, which is not an error. A group without an object allows every read.
    const code = group?.validateOffsetFetch(request.memberId, request.memberEpoch) ?? errorCode.NONE;
    if (code === errorCode.NONE || code === errorCode.GROUP_ID_NOT_FOUND) {
      return yield* this.committed.fetch(request, apiVersion);
    }
    return { groupId: request.groupId, errorCode: code, topics: [] };
  }

  /** OffsetDelete. */
  delete(request: OffsetDeleteRequest): OffsetDeleteResponse {
    const { log, findGroup, append } = this.#scene;
    log.writeGathered();
    const group = findGroup(request.groupId);
    const refused = group === undefined ? errorCode.GROUP_ID_NOT_FOUND : group.validateOffsetDelete();
    if (group === undefined || refused !== errorCode.NONE) return { errorCode: refused, topics: [] };
    const { records, topics } = this.committed.planDelete(request, (topic) => group.isSubscribedTo(topic));
    const code = append(records);
    return code === errorCode.NONE ? { errorCode: code, topics } : { errorCode: code, topics: [] };
  }

  /** Applies a record of an offset. */
  replay(record: OffsetCommitRecord): void {
    const { committed, emptied } = this;
    const { group } = record.key;
    const hadOffsets = record.value === null && committed.has(group);
    committed.replay(record);
    if (record.value !== null) emptied.remove(group);
    else if (hadOffsets && !committed.has(group) && !this.#scene.groups.has(group)) emptied.add(group);
  }

  /** Removes the offsets of deleted topics, in slices: there may be very many, and other requests wait. */
  onTopicsDeleted(topics: readonly DeletedTopic[]): void {
    const isRemoving = this.#deletedTopics.length > 0;
    this.#deletedTopics = this.#deletedTopics.concat(topics);
    this.#deletedRow = -1;
    if (!isRemoving) this.#scene.background.begin(this.#removeDeleted());
  }

  /** Removes expired offsets, and groups that are empty and have none, in slices. */
  expire(): Generator<void, void> {
    const { groups, ports, log, append } = this.#scene;
    return expireAll({
      offsets: this.committed,
      groups,
      emptied: this.emptied,
      ports,
      writeGathered: () => log.writeGathered(),
      append,
      forget: (group) => groups.forget(group.groupId, group.type),
    });
  }

  /** Returns the memory of offsets and emptied groups to the budgets. */
  dispose(): void {
    this.emptied.clear();
    this.committed.dispose();
  }

  *#removeDeleted(): Generator<void, void> {
    const { log, append } = this.#scene;
    try {
      for (;;) {
        log.writeGathered();
        const { records, lastRow } = this.committed.planTopicDeletion(this.#deletedTopics, this.#deletedRow);
        // Offsets that cannot be removed now are removed at the end of their retention.
        if (append(records) !== errorCode.NONE || lastRow === null) return;
        this.#deletedRow = lastRow;
        yield;
      }
    } finally {
      this.#deletedTopics = [];
    }
  }
}

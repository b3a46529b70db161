/**
 * A classic group with a clock that is moved by hand, and a log that goes through Kafka's record format and can refuse. For tests.
 */
import assert from "node:assert/strict";
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { HeartbeatRequest } from "../../../../net/protocol/messages/12_heartbeat.ts";
import type { LeaveGroupRequest, LeaveGroupResponse } from "../../../../net/protocol/messages/13_leave_group.ts";
import type { SyncGroupRequest, SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import { ManualClock } from "../../../../storage/base/clock.ts";
import { Deadlines } from "../../../requests/deadlines.ts";
import { MetadataImage } from "../../../metadata/image.ts";
import { GroupMemory } from "../group_memory.ts";
import type { GroupLog, GroupPorts, GroupSettings } from "../group_ports.ts";
import type { CoordinatorClient } from "../../runtime/coordinator.ts";
import type { Timer } from "../../runtime/lazy_timer.ts";
import {
  decodeGroupRecord,
  encodeGroupRecord,
  type GroupMetadataRecord,
  type GroupMetadataValue,
  type GroupRecord,
} from "../records/group_record.ts";
import { Call, passTime, testGroupSettings, testSettings } from "../group_ports_testing.ts";
import { ClassicGroup } from "./classic_group.ts";

/** Defaults of the tests' requests. */
export const SESSION_MS = 10_000;
/** Longer than a session, so that the two can be told apart. */
export const REBALANCE_MS = 60_000;

/** Text as bytes. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes as text. */
export function text(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

/** Protocols by name, with metadata that names protocol and content. */
export function protocols(names: readonly string[], content = "m"): { name: string; metadata: Uint8Array }[] {
  return names.map((name) => ({ name, metadata: bytes(`${name}:${content}`) }));
}

/** Log of one group: what was appended went through Kafka's format. */
export class TestLog implements GroupLog {
  /** All that was appended. */
  readonly records: GroupMetadataRecord[] = [];
  /** What `append()` says from now on, a code for clients; anything but 0 refuses. */
  refusal: number = errorCode.NONE;

  append(records: readonly GroupRecord[]): number {
    if (this.refusal !== errorCode.NONE) return this.refusal;
    for (const record of records) {
      const { key, value } = encodeGroupRecord(record);
      const read = decodeGroupRecord(key, value);
      assert.equal(read?.kind, "group-metadata");
      this.records.push(read as GroupMetadataRecord);
    }
    return errorCode.NONE;
  }

  /** Value of the last record. */
  get last(): GroupMetadataValue {
    const value = this.records.at(-1)?.value;
    assert(value, "the last record has a value");
    return value;
  }
}

/** The fields of a JoinGroup that a test sets. */
export interface JoinOptions {
  readonly memberId?: string;
  readonly instanceId?: string | null;
  readonly protocolType?: string;
  readonly protocols?: { name: string; metadata: Uint8Array }[];
  readonly version?: number;
  readonly clientId?: string;
  readonly sessionTimeoutMs?: number;
  readonly rebalanceTimeoutMs?: number;
}

/** A group and its environment. */
export class TestGroup {
  readonly clock = new ManualClock();
  readonly log = new TestLog();
  readonly timers = new Deadlines<Timer>();
  readonly ports: GroupPorts;
  group: ClassicGroup;
  #ids = 0;

  constructor(settings: Partial<GroupSettings> = {}, group?: (ports: GroupPorts) => ClassicGroup) {
    this.ports = {
      log: this.log,
      image: new MetadataImage(),
      settings: { ...testSettings, ...settings },
      settingsOf: () => testGroupSettings,
      timers: this.timers,
      nowMs: () => this.clock.monotonicMs(),
      wallMs: () => this.clock.wallMs(),
      newId: () => `id${++this.#ids}`,
      memory: new GroupMemory(),
      metadataMemory: new GroupMemory(),
    };
    this.group = group?.(this.ports) ?? new ClassicGroup(this.ports, "g");
  }

  /** Advances the time. Timers that become due meanwhile fire at their time. */
  advance(ms: number): void {
    passTime(ms, this);
  }

  /** Sends JoinGroup. Version 3 by default: the member id comes with the answer. */
  join(options: JoinOptions = {}): Call<JoinGroupResponse> {
    const { memberId = "", instanceId = null, protocolType = "consumer", version = instanceId === null ? 3 : 9 } =
      options;
    const request: JoinGroupRequest = {
      groupId: "g",
      sessionTimeoutMs: options.sessionTimeoutMs ?? SESSION_MS,
      rebalanceTimeoutMs: options.rebalanceTimeoutMs ?? REBALANCE_MS,
      memberId,
      groupInstanceId: instanceId,
      protocolType,
      protocols: options.protocols ?? protocols(["range"]),
      reason: null,
    };
    const call = new Call<JoinGroupResponse>();
    this.group.join(request, client(version, options.clientId), call.reply);
    return call;
  }

  /** Sends SyncGroup. */
  sync(
    memberId: string,
    generationId: number,
    more: Partial<SyncGroupRequest> & { version?: number; assign?: Record<string, string> } = {},
  ): Call<SyncGroupResponse> {
    const { version = 4, assign = {}, ...rest } = more;
    const assignments = Object.entries(assign).map(([id, content]) => ({ memberId: id, assignment: bytes(content) }));
    const call = new Call<SyncGroupResponse>();
    this.group.sync(
      {
        groupId: "g",
        generationId,
        memberId,
        groupInstanceId: null,
        protocolType: null,
        protocolName: null,
        assignments,
        ...rest,
      },
      client(version),
      call.reply,
    );
    return call;
  }

  /** Sends Heartbeat. @returns the error code */
  heartbeat(memberId: string, generationId: number, groupInstanceId: string | null = null): number {
    const call = new Call<{ errorCode: number }>();
    const request: HeartbeatRequest = { groupId: "g", memberId, generationId, groupInstanceId };
    this.group.heartbeat(request, client(4), call.reply);
    return call.answer.errorCode;
  }

  /** Sends LeaveGroup. */
  leave(request: Partial<LeaveGroupRequest>, version = 3): LeaveGroupResponse {
    const call = new Call<LeaveGroupResponse>();
    this.group.leave({ groupId: "g", memberId: "", members: [], ...request }, client(version), call.reply);
    return call.answer;
  }

  /** LeaveGroup of one member. @returns its error code */
  leaveOne(memberId: string, groupInstanceId: string | null = null): number {
    return this.leave({ members: [{ memberId, groupInstanceId, reason: null }] }).members![0]!.errorCode;
  }

  /** Asks whether a commit is allowed. @returns the error code */
  commit(memberId: string, generation: number, groupInstanceId: string | null = null): number {
    return this.group.validateOffsetCommit(
      { memberId, generationIdOrMemberEpoch: generation, groupInstanceId },
      9,
    );
  }

  /** Members join an empty group, each gets its own id as assignment. @returns their ids, the leader first */
  stableGroup(members: readonly JoinOptions[] = [{}]): string[] {
    const calls = members.map((options) => this.join(options));
    this.advance(this.ports.settings.initialRebalanceDelayMs * 2);
    const ids = calls.map((call) => call.answer.memberId);
    this.syncAll(ids, calls[0]!.answer.generationId!);
    return ids;
  }

  /** All of them sync; each gets its own id as assignment. @param ids the leader first */
  syncAll(ids: readonly string[], generation: number): void {
    const assign = Object.fromEntries(ids.map((id) => [id, id]));
    const calls = ids.map((id, index) => this.sync(id, generation, index === 0 ? { assign } : {}));
    assert.deepEqual(calls.map((call) => text(call.answer.assignment)), ids);
    assert.equal(this.group.state, "Stable");
  }

  /** Like kill -9 and a restart: makes a new group out of the log. */
  restart(): void {
    while (this.timers.takeExpired(Infinity) !== null);
    this.group = new ClassicGroup(this.ports, "g");
    for (const record of this.log.records) this.group.replay(record);
    this.group.start();
  }
}

/** Who sends a request. */
export function client(apiVersion: number, clientId = "c"): CoordinatorClient {
  return { clientId, clientHost: "/127.0.0.1", apiVersion };
}

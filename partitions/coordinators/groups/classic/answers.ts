/**
 * Answers of a classic group. Pure; runs on shards. An unknown protocol name is null, which the coordinator replaces by "" for versions
 * of JoinGroup before 7.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { HeartbeatResponse } from "../../../../net/protocol/messages/12_heartbeat.ts";
import type { SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";

const NO_GENERATION = -1;
const NO_LEADER = "";

/** Makes the answer to a JoinGroup that contains only an error. @param memberId the id in the answer */
export function refuseJoin(memberId: string, code: number): JoinGroupResponse {
  return {
    errorCode: code,
    generationId: NO_GENERATION,
    protocolType: null,
    protocolName: null,
    leader: NO_LEADER,
    memberId,
    members: [],
  };
}

/** Makes the answer to a SyncGroup that contains only an error. */
export function refuseSync(code: number): SyncGroupResponse {
  return { errorCode: code, protocolType: null, protocolName: null, assignment: new Uint8Array(0) };
}

const heartbeats = new Map<number, HeartbeatResponse>(
  [
    errorCode.NONE,
    errorCode.REBALANCE_IN_PROGRESS,
    errorCode.ILLEGAL_GENERATION,
    errorCode.UNKNOWN_MEMBER_ID,
    errorCode.FENCED_INSTANCE_ID,
    errorCode.COORDINATOR_NOT_AVAILABLE,
  ].map((code) => [code, Object.freeze({ errorCode: code })]),
);

/** Returns the frozen answer to a heartbeat. Heartbeats are the bulk of the requests and must allocate nothing. */
export function heartbeatAnswer(code: number): HeartbeatResponse {
  return heartbeats.get(code) ?? { errorCode: code };
}

/** Members of the classic protocol in a consumer group, and classic groups to upgrade. For tests. */
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import { ClassicGroup } from "../classic/classic_group.ts";
import type { CoordinatorClient } from "../../runtime/coordinator.ts";
import {
  decodeConsumerAssignment,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
} from "../records/consumer_protocol.ts";
import { GROUP_ID, TestConsumerGroup } from "./consumer_testing.ts";

/** Session timeout of the classic members in tests. */
export const CLASSIC_SESSION_MS = 10_000;
/** Their rebalance timeout. It is longer than a session, so that tests can tell which of the two ended. */
export const CLASSIC_REBALANCE_MS = 20_000;

/** What a test sets in a JoinGroup. */
export interface ClassicOptions {
  readonly memberId?: string;
  readonly instanceId?: string | null;
  readonly topics?: string[];
  readonly owned?: Record<string, number[]>;
  readonly protocols?: string[];
  readonly changes?: Partial<JoinGroupRequest>;
  readonly version?: number;
}

/** Returns the client of a request of some version. */
export function client(apiVersion: number): CoordinatorClient {
  return { clientId: "classic", clientHost: "/127.0.0.1", apiVersion };
}

/** Sends JoinGroup to a group of either protocol. */
export function join(test: TestConsumerGroup, options: ClassicOptions = {}): JoinGroupResponse | null {
  const { memberId = "c", instanceId = null, topics = ["orders"], owned = {}, protocols = ["range"] } = options;
  const ownedPartitions = Object.entries(owned).map(([topic, partitions]) => ({ topic, partitions }));
  const metadata = encodeConsumerSubscription(1, {
    topics,
    userData: null,
    ownedPartitions,
    generationId: -1,
    rackId: null,
  });
  const request: JoinGroupRequest = {
    groupId: GROUP_ID,
    sessionTimeoutMs: CLASSIC_SESSION_MS,
    rebalanceTimeoutMs: CLASSIC_REBALANCE_MS,
    memberId,
    groupInstanceId: instanceId,
    protocolType: "consumer",
    protocols: protocols.map((name) => ({ name, metadata })),
    reason: null,
    ...options.changes,
  };
  let answer: JoinGroupResponse | null = null;
  test.group!.join(request, client(options.version ?? 9), (response) => answer = response);
  return answer;
}

/** Sends SyncGroup of a member that is not the leader. */
export function sync(
  test: TestConsumerGroup,
  memberId: string,
  generationId: number,
  name = "range",
): SyncGroupResponse {
  const request = {
    groupId: GROUP_ID,
    generationId,
    memberId,
    groupInstanceId: null,
    protocolType: "consumer",
    protocolName: name,
    assignments: [],
  };
  let answer: SyncGroupResponse | null = null;
  test.consumers.sync(request, client(5), (response) => answer = response);
  return answer!;
}

/** Sends Heartbeat. @returns its error code */
export function beat(test: TestConsumerGroup, memberId: string, generationId: number): number {
  let code: number | null = null;
  const request = { groupId: GROUP_ID, generationId, memberId, groupInstanceId: null };
  test.consumers.classicHeartbeat(request, client(4), (response) => code = response.errorCode);
  return code!;
}

/** Returns the partitions that an answer to SyncGroup assigns, as "topic-0". */
export function assignment({ assignment }: SyncGroupResponse): string[] {
  const { assignedPartitions } = decodeConsumerAssignment(assignment)!.value;
  return assignedPartitions.flatMap(({ topic, partitions }) => partitions.map((partition) => `${topic}-${partition}`));
}

/** Makes a test without a group yet, and with a topic of two partitions. */
export function newTest(): TestConsumerGroup {
  const test = new TestConsumerGroup();
  test.setTopics({ orders: 2 });
  return test;
}

/** Makes a stable classic group in the log, with these partitions for each member. */
export function classicGroup(test: TestConsumerGroup, members: Record<string, number[]>, changes = {}): void {
  const seed = {
    generation: 7,
    protocolType: "consumer",
    protocolName: "range",
    members: Object.entries(members).map(([memberId, partitions]) => ({
      memberId,
      groupInstanceId: null,
      clientId: "classic",
      clientHost: "/127.0.0.1",
      rebalanceTimeoutMs: CLASSIC_REBALANCE_MS,
      sessionTimeoutMs: CLASSIC_SESSION_MS,
      protocols: [{
        name: "range",
        metadata: encodeConsumerSubscription(1, {
          topics: ["orders"],
          userData: null,
          ownedPartitions: [],
          generationId: -1,
          rackId: null,
        }),
      }],
      assignment: encodeConsumerAssignment(1, {
        assignedPartitions: [{ topic: "orders", partitions }],
        userData: null,
      }),
      ...changes,
    })),
  };
  const group = ClassicGroup.fromMembers(test.ports, GROUP_ID, seed);
  test.ports.log.append([group.toRecord()]);
  group.start();
  test.group = group;
}

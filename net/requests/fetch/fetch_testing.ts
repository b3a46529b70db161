/**
 * Fetch requests as a handler receives them, and what is shown of their answers. Tests only.
 */
import assert from "node:assert/strict";
import { FETCH } from "../../../partitions/mod.ts";
import type { FetchRequest, fetchResponse } from "../../protocol/messages/01_fetch.ts";
import type { Infer } from "../../protocol/schema.ts";
import { ZERO_UUID } from "../../protocol/text_cache.ts";
import type { TestBroker, TestClient } from "../operation_testing.ts";
import { FetchOperation } from "./fetch_operation.ts";
import type { FetchSessions } from "./fetch_sessions.ts";

/** What a test changes in a Fetch. */
export interface FetchChanges {
  readonly session?: { readonly id: number; readonly epoch: number };
  readonly topicId?: string;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly lastFetchedEpoch?: number;
  /** Broker that the request says it comes from, in the field of old or of new versions. */
  readonly replica?: { readonly old?: number; readonly new?: number; readonly epoch?: number };
  readonly currentLeaderEpoch?: number;
  /** Partitions to remove from the session. */
  readonly forgotten?: readonly number[];
}

/** A Fetch of topic "t", by default without a session, and for at most 1 MiB without a wait. */
export function fetchOf(
  offsets: readonly (readonly [partition: number, fetchOffset: number])[],
  changes: FetchChanges = {},
): FetchRequest {
  const { session = { id: 0, epoch: -1 }, topicId = ZERO_UUID, forgotten = [], replica = {} } = changes;
  const partitions = offsets.map(([partition, fetchOffset]) => ({
    partition,
    fetchOffset,
    currentLeaderEpoch: changes.currentLeaderEpoch ?? -1,
    lastFetchedEpoch: changes.lastFetchedEpoch ?? -1,
    logStartOffset: -1,
    partitionMaxBytes: changes.partitionMaxBytes ?? 1 << 20,
    replicaDirectoryId: ZERO_UUID,
    highWatermark: 2 ** 63,
  }));
  return {
    clusterId: null,
    replicaId: replica.old ?? -1,
    replicaState: { replicaId: replica.new ?? -1, replicaEpoch: replica.epoch ?? -1 },
    maxWaitMs: changes.maxWaitMs ?? 0,
    minBytes: changes.minBytes ?? 1,
    maxBytes: changes.maxBytes ?? 1 << 20,
    isolationLevel: 0,
    sessionId: session.id,
    sessionEpoch: session.epoch,
    topics: partitions.length === 0 ? [] : [{ topic: "t", topicId, partitions }],
    forgottenTopicsData: forgotten.length === 0 ? [] : [{ topic: "t", topicId, partitions: [...forgotten] }],
    rackId: "",
  };
}

/** Starts a fetch of a client. */
export function startFetch(
  request: FetchRequest,
  version: number,
  from: { readonly broker: TestBroker; readonly client: TestClient; readonly sessions: FetchSessions },
): void {
  const { broker, client, sessions } = from;
  const plan = sessions.plan(request, version, 0);
  assert.ok(plan.kind !== "refused");
  const exchange = client.request(FETCH, version);
  new FetchOperation(plan, { request, exchange, services: broker.services(), sessions }).start();
}

/** What an answer says of each partition. */
export function shownPartitions(
  responses: Infer<typeof fetchResponse>["responses"],
): (readonly [partition: number, errorCode: number, bytes: number, highWatermark: number])[] {
  return responses.flatMap(({ partitions }) => partitions).map((one) =>
    [one.partitionIndex, one.errorCode, one.records?.length ?? 0, one.highWatermark] as const
  );
}

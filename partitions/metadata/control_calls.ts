/**
 * The calls from a shard to the control plane on the main isolate, and their results. The calls are rare and travel by `postMessage`;
 * arguments and results are plain data. A result that depends on a change of the image is sent only after every shard has applied it.
 */
import type { CreateTopicsRequest, CreateTopicsResponse } from "../../net/protocol/messages/19_create_topics.ts";
import type { DeleteTopicsRequest, DeleteTopicsResponse } from "../../net/protocol/messages/20_delete_topics.ts";
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from "../../net/protocol/messages/37_create_partitions.ts";
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from "../../net/protocol/messages/45_alter_partition_reassignments.ts";
import type { ElectLeadersRequest, ElectLeadersResponse } from "../../net/protocol/messages/43_elect_leaders.ts";
import type { AlteredQuotaResult } from "../../net/protocol/messages/49_alter_client_quotas.ts";
import type { Heartbeat } from "../cluster/controller_state.ts";
import type { BrokerRegistration, HeartbeatAnswer, RegistrationAnswer } from "../cluster/membership_calls.ts";
import type { RowOutcome, RowProposal } from "../cluster/row_proposals.ts";
import type { MoveRequest } from "../directory/replica_moves.ts";
import type { MutationClient } from "../quotas/mutation_quotas.ts";
import type { PackedAlterations } from "./configs/packed_alterations.ts";
import type { Packed } from "./settings/packed_settings.ts";

/** The result for one subject of a request that changes configs, quotas or credentials, or one broker. */
export interface AlterationResult {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Calls by name. */
export interface ControlCalls {
  /** CreateTopics, all versions; the answer has the form of the newest version. */
  createTopics: {
    args: { request: CreateTopicsRequest; apiVersion: number; client?: MutationClient };
    result: CreateTopicsResponse;
  };
  /** DeleteTopics. */
  deleteTopics: {
    args: { request: DeleteTopicsRequest; apiVersion: number; client?: MutationClient };
    result: DeleteTopicsResponse;
  };
  /** Creates topics that a Metadata request named, with the broker's defaults; one Kafka error code per name, 0 when it exists now. */
  autoCreateTopics: {
    args: { names: string[]; client?: MutationClient };
    result: { name: string; errorCode: number }[];
  };
  /** CreatePartitions. */
  createPartitions: {
    args: { request: CreatePartitionsRequest; client?: MutationClient };
    result: CreatePartitionsResponse;
  };
  /** ElectLeaders. */
  electLeaders: { args: { request: ElectLeadersRequest }; result: ElectLeadersResponse };
  /** AlterPartitionReassignments. */
  alterReassignments: {
    args: { request: AlterPartitionReassignmentsRequest };
    result: AlterPartitionReassignmentsResponse;
  };
  /** Forgets a broker (changes/unregistration.ts). */
  unregisterBroker: { args: { broker: number }; result: AlterationResult };
  /** Changes configs of topics, groups and brokers; one result for each resource, in their order. */
  alterConfigs: { args: PackedAlterations; result: readonly AlterationResult[] };
  /** Changes client quotas; one result for each entity, with its types and names. */
  alterClientQuotas: {
    args: { packed: Packed };
    result: readonly (AlterationResult & Pick<AlteredQuotaResult, "entity">)[];
  };
  /** Changes SCRAM credentials; one result for each user. */
  alterUserScramCredentials: {
    args: { packed: Packed };
    result: readonly (AlterationResult & { readonly user: string })[];
  };
  /** Checks a regular expression over transactional ids. */
  checkPattern: { args: { pattern: string }; result: { isValid: boolean } };
  /** Moves replicas to other log directories; an error code for each, in their order. */
  moveReplicas: { args: { moves: readonly MoveRequest[] }; result: { errorCodes: readonly number[] } };
  /** Waits until all earlier changes have been applied by every shard or have failed. */
  awaitChanges: { args: Record<string, never>; result: Record<string, never> };
  /** Writes `log-start-offset-checkpoint`, with the log starts that shards had published before the call. */
  saveLogStarts: { args: Record<string, never>; result: Record<string, never> };
  /** Allocates the next block of producer ids. */
  allocateProducerIds: { args: Record<string, never>; result: { firstId: number; count: number } };
  /** BrokerRegistration of the broker that the connection has proved to be. NOT_CONTROLLER when this broker is not the controller. */
  brokerRegistration: { args: BrokerRegistration; result: RegistrationAnswer };
  /** BrokerHeartbeat, likewise. */
  brokerHeartbeat: { args: Heartbeat; result: HeartbeatAnswer };
  /** A connection has ended that had proved to be another broker's. */
  brokerDisconnected: { args: { broker: number }; result: Record<string, never> };
  /** Changes of rows that leaders on the shard want; how each ended, in their order. */
  changeRows: { args: { proposals: readonly RowProposal[] }; result: { outcomes: readonly RowOutcome[] } };
}

/** Name of a call. */
export type ControlCallName = keyof ControlCalls;

/** A failure of the control plane itself (store unreachable): the API answers UNKNOWN_SERVER_ERROR with this message. */
export interface ControlFailure {
  readonly failure: string;
}

/** The main isolate's side. */
export interface ControlPlane {
  /** Executes a call. @returns a promise of its result, which settles after every shard has applied the changes */
  call<Name extends ControlCallName>(
    name: Name,
    args: ControlCalls[Name]["args"],
  ): Promise<ControlCalls[Name]["result"]>;
}

/** A shard's side. A shard cannot await, because its reactor occupies the isolate; a callback gets the result on a later turn. */
export interface ControlClient {
  /** Makes a call; `done` runs exactly once, unless the shard stops first. */
  call<Name extends ControlCallName>(
    name: Name,
    args: ControlCalls[Name]["args"],
    done: (result: ControlCalls[Name]["result"] | ControlFailure) => void,
  ): void;
}

/**
 * What a shard may ask of the control plane on the main isolate, and what it answers. The calls travel by
 * `postMessage` (they are rare); arguments and results are plain data. A result that depends on a change of the image is
 * sent only after every shard has applied that change.
 */
import type { CreateTopicsRequest, CreateTopicsResponse } from "../../net/protocol/messages/19_create_topics.ts";
import type { DeleteTopicsRequest, DeleteTopicsResponse } from "../../net/protocol/messages/20_delete_topics.ts";
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from "../../net/protocol/messages/37_create_partitions.ts";
import type { ConfigAlteration } from "./config_changes.ts";

/** What became of one resource of an AlterConfigs or IncrementalAlterConfigs request. */
export interface AlterationResult {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Calls by name. */
export interface ControlCalls {
  /** CreateTopics, all versions; the answer is in the shape of the newest. */
  createTopics: { args: { request: CreateTopicsRequest; apiVersion: number }; result: CreateTopicsResponse };
  /** DeleteTopics. */
  deleteTopics: { args: { request: DeleteTopicsRequest; apiVersion: number }; result: DeleteTopicsResponse };
  /** Creates topics that a Metadata request named, with the broker's defaults; one Kafka error code per name, 0 = exists now. */
  autoCreateTopics: { args: { names: string[] }; result: { name: string; errorCode: number }[] };
  /** CreatePartitions. */
  createPartitions: { args: { request: CreatePartitionsRequest }; result: CreatePartitionsResponse };
  /** Changes configs of topics and groups; one result for each resource, in their order. */
  alterConfigs: {
    args: { resources: readonly ConfigAlteration[]; validateOnly: boolean };
    result: readonly AlterationResult[];
  };
  /** Waits until all changes that were asked for before are carried out, or have failed, and every shard has applied them. */
  awaitChanges: { args: Record<string, never>; result: Record<string, never> };
  /** Writes `log-start-offset-checkpoint`, with what every shard had published before the call. */
  saveLogStarts: { args: Record<string, never>; result: Record<string, never> };
  /** Takes the next block of producer ids out of the store. */
  allocateProducerIds: { args: Record<string, never>; result: { firstId: number; count: number } };
}

/** Name of a call. */
export type ControlCallName = keyof ControlCalls;

/** A failure of the control plane itself (store unreachable): the API answers UNKNOWN_SERVER_ERROR with this message. */
export interface ControlFailure {
  readonly failure: string;
}

/** The main isolate's side. */
export interface ControlPlane {
  /** Carries one call out. @returns its result, in a promise that settles after every shard saw the changes */
  call<Name extends ControlCallName>(
    name: Name,
    args: ControlCalls[Name]["args"],
  ): Promise<ControlCalls[Name]["result"]>;
}

/** A shard's side: it cannot await (its reactor holds the isolate), so results come to a callback on a later turn. */
export interface ControlClient {
  /** Asks; `done` runs exactly once unless the shard stops first. */
  call<Name extends ControlCallName>(
    name: Name,
    args: ControlCalls[Name]["args"],
    done: (result: ControlCalls[Name]["result"] | ControlFailure) => void,
  ): void;
}

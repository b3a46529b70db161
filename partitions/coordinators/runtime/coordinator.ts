/**
 * The interface of a coordinator: one per shard, for the partitions of an internal topic that the shard leads. Types only; the
 * implementations run on shards.
 */
import type { TopicChange } from "../../owned/topic_changes.ts";

/** Requests and responses of a coordinator by API key: `interface GroupApis { 8: { request: …; response: … }; … }`. */
export type CoordinatorApis<Apis> = { readonly [Key in keyof Apis]: { request: unknown; response: unknown } };

/** The key of one of a coordinator's APIs. */
export type KeyOf<Apis> = keyof Apis & number;

/** The client that sent a request. */
export interface CoordinatorClient {
  readonly clientId: string;
  /** Address as Kafka shows it, "/127.0.0.1". */
  readonly clientHost: string;
  /** Version of the request; the behaviour of several APIs depends on it. */
  readonly apiVersion: number;
}

/** Answers a request. Called exactly once, immediately or much later. The response has the shape of all versions. */
export type Reply<Response> = (response: Response) => void;

/** Answers requests: this shard's coordinator, or a proxy for another shard's. */
export interface RequestHandler<Apis extends CoordinatorApis<Apis>, Refusal = never> {
  /**
   * Answers a request.
   * @param request decoded; its byte arrays are copies, because the handler keeps them
   * @param reply called exactly once, during this call or on a later turn; its response has the shape of all versions and is valid only
   * during the call of `reply`
   */
  handle<Key extends KeyOf<Apis>>(
    apiKey: Key,
    request: Apis[Key]["request"],
    client: CoordinatorClient,
    reply: Reply<Apis[Key]["response"] | Refusal>,
  ): void;
}

/** The coordinator of one shard. Never throws because of a client's bytes or a disk's errors. */
export interface Coordinator<Apis extends CoordinatorApis<Apis>> extends RequestHandler<Apis> {
  /** The image changed, and the shard's partitions were opened and removed to match. Also called once at the start, with all topics. */
  onImage(change: TopicChange): void;
  /** When `runTurn()` has something to do, monotonic ms; 0 while a partition is being loaded or a long request is unfinished. */
  readonly nextDeadlineMs: number;
  /** Loads a slice, continues long requests, runs due timers. Called every turn before `writeGathered()`. @param nowMs monotonic time */
  runTurn(nowMs: number): void;
  /** Whether `writeGathered()` has something to write. */
  readonly hasGathered: boolean;
  /**
   * Writes the records that requests gathered and releases their replies. Called before new high watermarks are announced. The batch of
   * one partition may hold the longest commit, so the remaining partitions are written in the next turn, which does not wait.
   * @param mayContinue called after each partition: whether there is time for another one
   */
  writeGathered(mayContinue: () => boolean): void;
  /** Ends the coordinator: all waiting requests are answered NOT_COORDINATOR. */
  dispose(): void;
}

/**
 * What a coordinator is to those who bring it requests and time: one per shard, for the partitions of an internal topic that the
 * shard leads. Types only; shards run what is built on them.
 */
import type { TopicChange } from "../../owned/topic_changes.ts";

/** Requests and responses of a coordinator by API key: `interface GroupApis { 8: { request: …; response: … }; … }`. */
export type CoordinatorApis<Apis> = { readonly [Key in keyof Apis]: { request: unknown; response: unknown } };

/** Key of one of its APIs. */
export type KeyOf<Apis> = keyof Apis & number;

/** Who sent a request. */
export interface CoordinatorClient {
  readonly clientId: string;
  /** Address as Kafka shows it, "/127.0.0.1". */
  readonly clientHost: string;
  /** Of the request: several APIs behave differently by it. */
  readonly apiVersion: number;
}

/** Answers a request; called exactly once, at once or much later. The response is in the shape of all versions. */
export type Reply<Response> = (response: Response) => void;

/** Who answers requests: this shard's coordinator, or the way to another shard's. */
export interface RequestHandler<Apis extends CoordinatorApis<Apis>, Refusal = never> {
  /**
   * Answers a request.
   * @param request decoded; its bytes are kept, so they are copies
   * @param reply called exactly once, during the call or on a later turn, with a response in the shape of all versions that is valid
   * during the call to it
   */
  handle<Key extends KeyOf<Apis>>(
    apiKey: Key,
    request: Apis[Key]["request"],
    client: CoordinatorClient,
    reply: Reply<Apis[Key]["response"] | Refusal>,
  ): void;
}

/** The coordinator of one shard. Never throws on what a client or a disk says. */
export interface Coordinator<Apis extends CoordinatorApis<Apis>> extends RequestHandler<Apis> {
  /** The image changed and the shard's partitions were opened and removed accordingly. Also once at the start, with all topics. */
  onImage(change: TopicChange): void;
  /** When `runTurn()` has something to do, monotonic ms; 0 while a partition is being loaded, or a request goes on. */
  readonly nextDeadlineMs: number;
  /** Loads a slice, continues long requests, runs what is due. Every turn, before `writeGathered()`. @param nowMs monotonic */
  runTurn(nowMs: number): void;
  /** Whether `writeGathered()` has something to write. */
  readonly hasGathered: boolean;
  /**
   * Writes what the requests of this turn gathered and releases their replies; before moved high watermarks are announced. The batch of
   * one partition may hold the longest commit, so partitions that are left over are written in the next turn, which does not wait.
   * @param mayContinue asked after each partition: whether there is time for another one
   */
  writeGathered(mayContinue: () => boolean): void;
  /** Ends: everybody who waits is answered NOT_COORDINATOR. */
  dispose(): void;
}

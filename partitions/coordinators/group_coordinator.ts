/**
 * The group coordinator of one shard: coordinates the groups whose partition of `__consumer_offsets` this shard owns.
 */
import type { ImageDelta } from "../metadata/image.ts";
import type { GroupClient, Reply } from "./ports.ts";
import type { GroupApiKey, GroupRequest, GroupResponse } from "./group_requests.ts";

/** Coordinates the groups of one shard. Synchronous, never throws on what a client or a disk says. */
export interface GroupCoordination {
  /**
   * The single entry, for requests of this shard's connections and for those that other shards forward. Requests about
   * several groups (OffsetFetch v8+, DescribeGroups, DeleteGroups, ConsumerGroupDescribe) may name groups of any partition: those
   * that this shard does not coordinate get NOT_COORDINATOR, so whoever asks sends each shard its groups. ListGroups lists those
   * of this shard. Checks group ids, topics and partitions; authorization is the handlers'.
   * @param request decoded; it and its bytes must stay as they are until the reply, or be copies
   * @param reply called exactly once, during the call or on a later turn; the response is in the shape of all versions
   */
  handle<Key extends GroupApiKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    client: GroupClient,
    reply: Reply<GroupResponse<Key>>,
  ): void;
  /** The image changed and the shard's partitions were opened and removed accordingly. Also once after the start, with all. */
  onImage(delta: ImageDelta): void;
  /** When `expire()` has something to do, monotonic ms; at or before now while a partition is being loaded. */
  readonly nextDeadlineMs: number;
  /** Runs what is due and one slice of loading. Every turn, before `settle()`. @param nowMs monotonic */
  expire(nowMs: number): void;
  /**
   * Writes what the requests of this turn gathered, which releases their replies. In the reactor's finishing loop, before
   * `announceMoved()`, as long as `isUnsettled`.
   */
  settle(): void;
  /** Whether `settle()` has something to write. */
  readonly isUnsettled: boolean;
  /** Ends: everybody who waits is answered NOT_COORDINATOR. */
  dispose(): void;
}

/** The data that the rules of a JoinGroup share. Types only; used on shards. */
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { CoordinatorClient, Reply } from "../../runtime/coordinator.ts";

/** A JoinGroup that is being handled. */
export interface Joining {
  readonly request: JoinGroupRequest;
  readonly client: CoordinatorClient;
  readonly rebalanceTimeoutMs: number;
  readonly reply: Reply<JoinGroupResponse>;
}

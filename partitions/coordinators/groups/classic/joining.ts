/** What the rules of a JoinGroup pass on to each other. Types only; runs on shards. */
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { CoordinatorClient, Reply } from "../../runtime/coordinator.ts";

/** A JoinGroup on its way through the rules. */
export interface Joining {
  readonly request: JoinGroupRequest;
  readonly client: CoordinatorClient;
  readonly rebalanceTimeoutMs: number;
  readonly reply: Reply<JoinGroupResponse>;
}

/**
 * OffsetCommit, API key 8: stores the offsets up to which a group has read; answered once they are in the log.
 *
 * v2 retention time, which is ignored (KIP-211) · v3 throttle time (KIP-124) · v6 leader epoch (KIP-320) · v7 static members (KIP-345) · v8 flexible
 * (KIP-482) · v9 member epoch, STALE_MEMBER_EPOCH, GROUP_ID_NOT_FOUND (KIP-848) · v10 topic ids instead of names.
 */
import { refuseGroupRequest } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { authorize, splitAllowed } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroup, groupPermission } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type OffsetCommitRequest,
  offsetCommitRequest,
  type OffsetCommitRequestTopic,
  offsetCommitResponse,
} from "../protocol/messages/08_offset_commit.ts";

/** The row of OffsetCommit. */
export const offsetCommitApi = api({
  key: 8,
  name: "OffsetCommit",
  served: [2, 10],
  request: offsetCommitRequest,
  response: offsetCommitResponse,
  needs: groupPermission(8, "READ"),
  elementsMax: 1 << 13, // topics, partitions
  handle: handleOffsetCommit,
});

const API_KEY = 8;
/** First version that names topics by id. */
const TOPIC_ID_VERSION = 10;

/** Handles OffsetCommit. */
export function handleOffsetCommit(
  request: OffsetCommitRequest,
  exchange: RequestExchange,
  services: ShardServices,
): void {
  const { context, apiVersion } = exchange;
  const { groupId, topics } = request;
  const isAllowed = ({ name, topicId }: OffsetCommitRequestTopic) => {
    const known = apiVersion >= TOPIC_ID_VERSION ? services.image.topicById(topicId)?.name : name;
    // The coordinator refuses an unknown id.
    return known === undefined || authorize(context, "READ", { type: "TOPIC", name: known });
  };
  const { allowed, denied } = splitAllowed(topics, isAllowed);
  const asker = { exchange, services };
  // It may take several turns (partitions/coordinators/groups/offsets/commits.ts), and a fetch behind it has to see what it commits.
  if (exchange.isLarge) exchange.holdFollowers();
  if (denied.length === 0) return askGroup({ apiKey: API_KEY, groupId, request }, asker);
  const deniedRequest = { ...request, topics: denied };
  const refused = refuseGroupRequest(API_KEY, deniedRequest, errorCode.TOPIC_AUTHORIZATION_FAILED, apiVersion);
  if (allowed.length === 0) return exchange.respond(refused);
  const asked = { ...request, topics: allowed };
  askGroup(
    { apiKey: API_KEY, groupId, request: asked },
    asker,
    (response) => ({ ...response, topics: [...refused.topics, ...response.topics] }),
  );
}

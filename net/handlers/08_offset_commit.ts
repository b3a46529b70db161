/**
 * OffsetCommit, API key 8: keeps what a group has read; answered once it is in the log.
 *
 * v2 retention time, which is ignored (KIP-211) · v3 throttle time (KIP-124) · v6 leader epoch (KIP-320) · v7 static members (KIP-345) · v8 flexible
 * (KIP-482) · v9 member epoch, STALE_MEMBER_EPOCH, GROUP_ID_NOT_FOUND (KIP-848) · v10 topic ids instead of names.
 */
import { refuseGroupRequest } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { answerGroup, askGroup } from "../requests/group_questions.ts";
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
  if (!authorize(context, "READ", { type: "GROUP", name: groupId })) {
    const response = refuseGroupRequest(API_KEY, request, errorCode.GROUP_AUTHORIZATION_FAILED, apiVersion);
    return answerGroup(exchange, response);
  }
  const isAllowed = ({ name, topicId }: OffsetCommitRequestTopic) => {
    const known = apiVersion >= TOPIC_ID_VERSION ? services.image.topicById(topicId)?.name : name;
    // The coordinator refuses an id that nobody has.
    return known === undefined || authorize(context, "READ", { type: "TOPIC", name: known });
  };
  const allowed = topics.filter(isAllowed);
  const asker = { exchange, services };
  if (allowed.length === topics.length) return askGroup({ apiKey: API_KEY, groupId, request }, asker);
  const refused = { ...request, topics: topics.filter((topic) => !isAllowed(topic)) };
  const denied = refuseGroupRequest(API_KEY, refused, errorCode.TOPIC_AUTHORIZATION_FAILED, apiVersion);
  if (allowed.length === 0) return answerGroup(exchange, denied);
  const asked = { ...request, topics: allowed };
  askGroup(
    { apiKey: API_KEY, groupId, request: asked },
    asker,
    (response) => ({ ...response, topics: [...denied.topics, ...response.topics] }),
  );
}

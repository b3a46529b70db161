/**
 * OffsetFetch, API key 9: returns the offsets that groups have committed.
 *
 * v1 offsets kept by the broker · v2 null topics = all, error of the whole answer (KIP-88) · v3 throttle time (KIP-124) · v5 leader epoch
 * (KIP-320) · v6 flexible (KIP-482) · v7 require stable (KIP-447) · v8 several groups (KIP-709) · v9 member id and epoch (KIP-848) · v10
 * topic ids instead of names.
 *
 * The answer waits until the in-sync replicas have what was read, for offsets.commit.timeout.ms at most. Kafka waits where the client
 * requires stable offsets; to others it gives at once what was committed before.
 *
 * Not done: without transactions, require stable has nothing else to wait for.
 */
import type { GroupResponse } from "../../partitions/coordinators/groups/group_apis.ts";
import { refuseGroupRequest } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { authorize, splitAllowed } from "../requests/authorization.ts";
import type { RequestExchange } from "../requests/exchange.ts";
import { askGroup, askGroups } from "../requests/group_questions.ts";
import type { ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type OffsetFetchRequest,
  offsetFetchRequest,
  type OffsetFetchRequestGroup,
  type OffsetFetchRequestTopic,
  offsetFetchResponse,
  type OffsetFetchResponseGroup,
  type OffsetFetchResponseTopic,
} from "../protocol/messages/09_offset_fetch.ts";
import { plainConstructor } from "../protocol/plain_constructor.ts";

/** The row of OffsetFetch. */
export const offsetFetchApi = api({
  key: 9,
  name: "OffsetFetch",
  served: [1, 10],
  request: offsetFetchRequest,
  response: offsetFetchResponse,
  isReadOnly: true,
  handle: handleOffsetFetch,
});

const API_KEY = 9;
/** First version that names several groups. */
const SEVERAL_GROUPS_VERSION = 8;
/** First version that names topics by id. */
const TOPIC_ID_VERSION = 10;

/** Whether the client may see a topic. */
type Visibility = (topic: { name?: string; topicId?: string }) => boolean;

/** The allowed and the denied topics of one group. When all are allowed this is the client's list itself, because it may be very long. */
interface Screened {
  readonly asked: readonly OffsetFetchRequestTopic[] | null;
  readonly denied: readonly OffsetFetchResponseTopic[];
}

interface AskedGroup {
  readonly group: OffsetFetchRequestGroup;
  readonly screened: Screened;
}

const NONE_DENIED: readonly OffsetFetchResponseTopic[] = [];

/** One for each group of a request, so they are not made by literals (plain_constructor.ts). */
const Asked = plainConstructor<AskedGroup>()("group", "screened");
const AllAllowed = plainConstructor<Screened>()("asked", "denied");

/** Handles OffsetFetch. */
export function handleOffsetFetch(
  request: OffsetFetchRequest,
  exchange: RequestExchange,
  services: ShardServices,
): void {
  if (exchange.apiVersion < SEVERAL_GROUPS_VERSION) fetchOfOne(request, exchange, services);
  else fetchOfSeveral(request, exchange, services);
}

function fetchOfOne(request: OffsetFetchRequest, exchange: RequestExchange, services: ShardServices): void {
  const { context, apiVersion } = exchange;
  const { groupId } = request;
  if (!authorize(context, "DESCRIBE", { type: "GROUP", name: groupId })) {
    const response = refuseGroupRequest(API_KEY, request, errorCode.GROUP_AUTHORIZATION_FAILED, apiVersion);
    return exchange.respond(response);
  }
  const isVisible = visibilityFor(exchange, services);
  const screened = screen(request.topics, isVisible);
  askGroup(
    { apiKey: API_KEY, groupId, request: { ...request, topics: screened.asked } },
    { exchange, services },
    (response) =>
      (response.errorCode ?? errorCode.NONE) === errorCode.NONE
        ? { ...response, topics: complete(screened, response.topics ?? [], isVisible) }
        : response,
  );
}

function fetchOfSeveral(request: OffsetFetchRequest, exchange: RequestExchange, services: ShardServices): void {
  const isVisible = visibilityFor(exchange, services);
  const question = {
    apiKey: API_KEY as typeof API_KEY,
    items: request.groups.map((group) => new Asked(group, screen(group.topics, isVisible))),
    groupIdOf: ({ group }: AskedGroup) => group.groupId,
    operation: "DESCRIBE" as const,
    deny: ({ group }: AskedGroup): OffsetFetchResponseGroup => ({
      groupId: group.groupId,
      errorCode: errorCode.GROUP_AUTHORIZATION_FAILED,
      topics: [],
    }),
    requestFor: (some: AskedGroup[]) => ({
      ...request,
      groups: some.map(({ group, screened: { asked } }) =>
        asked === group.topics ? group : { ...group, topics: asked }
      ),
    }),
    resultsOf: ({ groups }: GroupResponse<9>) => groups ?? [],
  };
  askGroups(question, { exchange, services }, (results, items) => ({
    groups: results.map((group, index) => {
      if ((group.errorCode ?? errorCode.NONE) !== errorCode.NONE) return group;
      const { screened } = items[index] as AskedGroup;
      const topics = complete(screened, group.topics, isVisible);
      return topics === group.topics ? group : { ...group, topics };
    }),
  }));
}

/** The result must not keep the exchange, which may have ended when the coordinators answer. */
function visibilityFor({ context, apiVersion }: RequestExchange, { image }: ShardServices): Visibility {
  return ({ name = "", topicId = "" }) => {
    const known = apiVersion >= TOPIC_ID_VERSION ? image.topicById(topicId)?.name : name;
    // The coordinator refuses an unknown id.
    return known === undefined || authorize(context, "DESCRIBE", { type: "TOPIC", name: known });
  };
}

function screen(topics: readonly OffsetFetchRequestTopic[] | null, isVisible: Visibility): Screened {
  if (topics === null || topics.every(isVisible)) return new AllAllowed(topics, NONE_DENIED);
  const { allowed, denied } = splitAllowed(topics, isVisible);
  return { asked: allowed, denied: denied.map(denyTopic) };
}

/** Adds the denied topics, and removes those that the client may not see. */
function complete(
  { asked, denied }: Screened,
  answered: readonly OffsetFetchResponseTopic[],
  isVisible: Visibility,
): readonly OffsetFetchResponseTopic[] {
  if (asked === null) return answered.filter(isVisible);
  return denied.length === 0 ? answered : [...denied, ...answered];
}

function denyTopic({ name, topicId, partitionIndexes }: OffsetFetchRequestTopic): OffsetFetchResponseTopic {
  const partitions = partitionIndexes.map((partitionIndex) => ({
    partitionIndex,
    committedOffset: -1,
    committedLeaderEpoch: -1,
    metadata: "",
    errorCode: errorCode.TOPIC_AUTHORIZATION_FAILED,
  }));
  return { name, topicId, partitions };
}

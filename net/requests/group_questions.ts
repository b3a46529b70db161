/**
 * How a handler asks the coordinators of groups, and answers with their responses. Runs on shards.
 *
 * Always: a request whose client has disconnected is still carried out, but nothing of the client is kept for it. A request counts its
 * connection towards the shard that coordinates its group, so that the connection is transferred there (net/reactor/affinity.ts).
 */
import type { GroupApiKey, GroupRequest, GroupResponse } from "../../partitions/coordinators/groups/group_apis.ts";
import type { CoordinatorClient } from "../../partitions/coordinators/runtime/coordinator.ts";
import { OFFSETS_TOPIC, refuseGroupRequest } from "../../partitions/mod.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { newArray } from "../protocol/plain_constructor.ts";
import { authorize, type Permission, splitAllowed } from "./authorization.ts";
import type { Operation } from "./authorizer.ts";
import type { RequestExchange } from "./exchange.ts";
import type { ShardServices } from "./handler.ts";

/** A request, and the services of the shard that received it. */
export interface GroupAsker {
  readonly exchange: RequestExchange;
  readonly services: ShardServices;
}

/** A question about one group. */
export interface GroupQuestion<Key extends GroupApiKey> {
  readonly apiKey: Key;
  readonly groupId: string;
  readonly request: GroupRequest<Key>;
}

/** APIs whose requests are about one group. */
export type OneGroupKey = 8 | 11 | 12 | 13 | 14 | 47;

/** A question about several groups, which may belong to different shards. */
export interface GroupsQuestion<Key extends GroupApiKey, Item, Result> {
  readonly apiKey: Key;
  readonly items: readonly Item[];
  readonly groupIdOf: (item: Item) => string;
  /** What the client must be allowed to do with each group. */
  readonly operation: Operation;
  /** The result for a group with which the client may not do it. */
  readonly deny: (item: Item) => Result;
  readonly requestFor: (items: Item[]) => GroupRequest<Key>;
  /** The results in one answer, one for each item of its request. */
  readonly resultsOf: (response: GroupResponse<Key>) => readonly Result[];
}

/** APIs whose requests wait for other members of their group. What the coordinator keeps of them has its own budget (group_memory.ts). */
const WAITING_KEYS: readonly GroupApiKey[] = [11, 14];
const nothing = () => {};

/** The permission that a request about one group needs, and the answer to a client without it. */
export function groupPermission<Key extends OneGroupKey>(
  apiKey: Key,
  operation: Operation,
): Permission<GroupRequest<Key>, GroupResponse<Key>> {
  return {
    operation,
    resourceOf: ({ groupId }) => ({ type: "GROUP", name: groupId }),
    refuse: (request, apiVersion) =>
      refuseGroupRequest(apiKey, request, errorCode.GROUP_AUTHORIZATION_FAILED, apiVersion),
  };
}

/** The client as coordinators see it. */
function clientOf({ context, apiVersion }: RequestExchange): CoordinatorClient {
  return { clientId: context.clientId, clientHost: shownHost(context.peerHost), apiVersion };
}

/** An address as Kafka's tools show it (InetAddress.toString): IPv6 with all its eight groups. */
export function shownHost(host: string): string {
  if (!host.includes("::")) return `/${host}`;
  const [before = [], after = []] = host.split("::").map((side) => side === "" ? [] : side.split(":"));
  const zeros = Array<string>(Math.max(0, 8 - before.length - after.length)).fill("0");
  return `/${[...before, ...zeros, ...after].join(":")}`;
}

/**
 * Asks the coordinator of one group, and answers with its response.
 * @param shape turns the coordinator's response into the answer; it must not keep the exchange, which may have ended by then
 */
export function askGroup<Key extends GroupApiKey>(
  { apiKey, groupId, request }: GroupQuestion<Key>,
  { exchange, services }: GroupAsker,
  shape: (response: GroupResponse<Key>) => GroupResponse<Key> = (response) => response,
): void {
  const shard = services.groups.ownerOf(OFFSETS_TOPIC, groupId);
  exchange.affinity.countPartition(shard);
  const answer = answerOnce(exchange);
  const release = holdDuringCall(apiKey, exchange);
  const reply = (response: GroupResponse<Key> | null) => {
    release();
    answer(response === null ? null : shape(response));
  };
  services.groups.at(shard).handle(apiKey, request, clientOf(exchange), reply);
  if (WAITING_KEYS.includes(apiKey)) exchange.releaseMemory();
}

/**
 * Asks the coordinators of several groups, each shard once, and answers when all have answered.
 * @param finish makes the answer from the results and their items: first the denied ones, then the others, each in the order of
 * the question; it must not keep the exchange
 */
export function askGroups<Key extends GroupApiKey, Item, Result>(
  question: GroupsQuestion<Key, Item, Result>,
  asker: GroupAsker,
  finish: (results: readonly Result[], items: readonly Item[]) => GroupResponse<Key>,
): void {
  const { apiKey, deny, requestFor, resultsOf } = question;
  const { denied, allowed, byShard } = divide(question, asker);
  const calls = byShard.map(([shard, indexes]) => ({
    shard,
    request: requestFor(indexes.map((index) => allowed[index] as Item)),
  }));
  askShards({ apiKey, calls }, asker, (responses) => {
    const results = newArray<Result>(allowed.length);
    for (const [at, [, indexes]] of byShard.entries()) {
      const part = resultsOf(responses[at] as GroupResponse<Key>);
      if (part.length !== indexes.length) return null;
      for (const [nth, index] of indexes.entries()) results[index] = part[nth] as Result;
    }
    if (denied.length === 0) return finish(results, allowed);
    return finish([...denied.map(deny), ...results], [...denied, ...allowed]);
  });
}

/**
 * Asks the coordinator of every shard the same question, and answers when all have answered.
 * @param finish makes the answer from the responses, which are in the order of the shards; it must not keep the exchange
 */
export function askAllShards<Key extends GroupApiKey>(
  { apiKey, request }: { apiKey: Key; request: GroupRequest<Key> },
  asker: GroupAsker,
  finish: (responses: readonly GroupResponse<Key>[]) => GroupResponse<Key>,
): void {
  const calls = asker.services.groups.shards.map((shard) => ({ shard, request }));
  askShards({ apiKey, calls }, asker, finish);
}

/** Divides groups into those that the client may not ask about, and the others by the shard that coordinates them. */
function divide<Key extends GroupApiKey, Item, Result>(
  { items, groupIdOf, operation }: GroupsQuestion<Key, Item, Result>,
  { exchange, services }: GroupAsker,
): { denied: readonly Item[]; allowed: readonly Item[]; byShard: [shard: number, indexes: number[]][] } {
  const { denied, allowed } = splitAllowed(
    items,
    (item) => authorize(exchange.context, operation, { type: "GROUP", name: groupIdOf(item) }),
  );
  const byShard = Map.groupBy(allowed.keys(), (index) => {
    const shard = services.groups.ownerOf(OFFSETS_TOPIC, groupIdOf(allowed[index] as Item));
    exchange.affinity.countPartition(shard);
    return shard;
  });
  return { denied, allowed, byShard: [...byShard] };
}

/** Asks shards, and answers when all have answered. @param finish gets responses in the order of the calls; null as in `answerOnce()` */
function askShards<Key extends GroupApiKey>(
  { apiKey, calls }: { apiKey: Key; calls: readonly { shard: number; request: GroupRequest<Key> }[] },
  { exchange, services }: GroupAsker,
  finish: (responses: readonly GroupResponse<Key>[]) => GroupResponse<Key> | null,
): void {
  const answer = answerOnce(exchange);
  const client = clientOf(exchange);
  const responses: GroupResponse<Key>[] = [];
  let missing = calls.length;
  let isWhole = true;
  if (missing === 0) return answer(finish(responses));
  const release = holdDuringCall(apiKey, exchange);
  for (const [at, { shard, request }] of calls.entries()) {
    services.groups.at(shard).handle(apiKey, request, client, (response) => {
      if (response === null) isWhole = false;
      else responses[at] = response;
      missing--;
      if (missing > 0) return;
      release();
      answer(isWhole ? finish(responses) : null);
    });
  }
}

/**
 * Counts the memory of a large request until the coordinators have answered, also when its client has disconnected. Otherwise clients
 * that send requests and disconnect could fill the heaps of the shards that coordinate their groups.
 * @returns ends that
 */
function holdDuringCall(apiKey: GroupApiKey, exchange: RequestExchange): () => void {
  return exchange.isLarge && !WAITING_KEYS.includes(apiKey) ? exchange.holdMemory() : nothing;
}

/** Makes a function that answers the client unless it has disconnected. A null answer: the protocol cannot carry it. */
function answerOnce(exchange: RequestExchange): (response: object | null) => void {
  const waiting: { exchange: RequestExchange | null } = { exchange };
  exchange.onAbandoned(() => {
    waiting.exchange = null;
  });
  return (response) => {
    const asker = waiting.exchange;
    if (asker === null) return;
    if (response === null) asker.close("the request of a group, or its answer, is longer than the protocol allows");
    else asker.respond(response);
  };
}

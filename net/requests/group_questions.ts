/**
 * How a handler asks the coordinators of groups and answers with what they say. Runs on shards.
 *
 * Always: a request whose client has gone is still carried out, but nothing of the client is kept for it; a connection is counted
 * towards the shard that coordinates its group, so that it settles there (net/reactor/affinity.ts).
 */
import type { GroupApiKey, GroupRequest, GroupResponse } from "../../partitions/coordinators/groups/group_apis.ts";
import type { CoordinatorClient } from "../../partitions/coordinators/runtime/coordinator.ts";
import { OFFSETS_TOPIC, refuseGroupRequest } from "../../partitions/mod.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { authorize, type Permission, splitAllowed } from "./authorization.ts";
import type { Operation } from "./authorizer.ts";
import type { RequestExchange } from "./exchange.ts";
import type { ShardServices } from "./handler.ts";

/** A request and the shard that it came to. */
export interface GroupAsker {
  readonly exchange: RequestExchange;
  readonly services: ShardServices;
}

/** What is asked about one group. */
export interface GroupQuestion<Key extends GroupApiKey> {
  readonly apiKey: Key;
  readonly groupId: string;
  readonly request: GroupRequest<Key>;
}

/** APIs whose requests are about one group. */
export type OneGroupKey = 8 | 11 | 12 | 13 | 14 | 47;

/** What is asked about several groups, of which each shard has some. */
export interface GroupsQuestion<Key extends GroupApiKey, Item, Result> {
  readonly apiKey: Key;
  readonly items: readonly Item[];
  readonly groupIdOf: (item: Item) => string;
  /** What the client has to be allowed to do to each group. */
  readonly operation: Operation;
  /** The result for a group to which the client may not do it. */
  readonly deny: (item: Item) => Result;
  readonly requestFor: (items: Item[]) => GroupRequest<Key>;
  /** The results of one answer, one for each item that was asked. */
  readonly resultsOf: (response: GroupResponse<Key>) => readonly Result[];
}

/** What a client has to be allowed to do to the group that its request is about, and the answer to one that may not. */
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

/** Who asks, as coordinators see it. */
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
 * Asks the coordinator of one group and answers.
 * @param shape makes the answer of what the coordinator says; it must not keep the exchange, which may be gone by then
 */
export function askGroup<Key extends GroupApiKey>(
  { apiKey, groupId, request }: GroupQuestion<Key>,
  { exchange, services }: GroupAsker,
  shape: (response: GroupResponse<Key>) => GroupResponse<Key> = (response) => response,
): void {
  const shard = services.groups.ownerOf(OFFSETS_TOPIC, groupId);
  exchange.affinity.countPartition(shard);
  const answer = answerOnce(exchange);
  const reply = (response: GroupResponse<Key> | null) => answer(response === null ? null : shape(response));
  services.groups.at(shard).handle(apiKey, request, clientOf(exchange), reply);
  // It may wait for others of its group; what the coordinator keeps of it has a budget of its own.
  exchange.releaseMemory();
}

/**
 * Asks the coordinators of several groups, each shard once, and answers when all have.
 * @param finish makes the answer of the results and their items: those that are denied first, then the others, each in the order of
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
    const results: Result[] = [];
    for (const [at, [, indexes]] of byShard.entries()) {
      const part = resultsOf(responses[at] as GroupResponse<Key>);
      if (part.length !== indexes.length) return null;
      for (const [nth, index] of indexes.entries()) results[index] = part[nth] as Result;
    }
    return finish([...denied.map(deny), ...results], [...denied, ...allowed]);
  });
}

/**
 * Asks the coordinator of every shard the same and answers when all have.
 * @param finish makes the answer of theirs, which are in the order of the shards; it must not keep the exchange
 */
export function askAllShards<Key extends GroupApiKey>(
  { apiKey, request }: { apiKey: Key; request: GroupRequest<Key> },
  asker: GroupAsker,
  finish: (responses: readonly GroupResponse<Key>[]) => GroupResponse<Key>,
): void {
  const calls = asker.services.groups.shards.map((shard) => ({ shard, request }));
  askShards({ apiKey, calls }, asker, finish);
}

/** Divides several groups into those that the client may not ask about, and the others by the shards that coordinate them. */
function divide<Key extends GroupApiKey, Item, Result>(
  { items, groupIdOf, operation }: GroupsQuestion<Key, Item, Result>,
  { exchange, services }: GroupAsker,
): { denied: Item[]; allowed: Item[]; byShard: [shard: number, indexes: number[]][] } {
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

/** Asks shards and answers when all have. @param finish gets their answers in the order of the calls; null as in `answerOnce()` */
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
  for (const [at, { shard, request }] of calls.entries()) {
    services.groups.at(shard).handle(apiKey, request, client, (response) => {
      if (response === null) isWhole = false;
      else responses[at] = response;
      missing--;
      if (missing === 0) answer(isWhole ? finish(responses) : null);
    });
  }
}

/** The way back to the client, which forgets it when it goes. Null: the protocol cannot carry the answer. */
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

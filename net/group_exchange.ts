/**
 * How a handler asks the coordinators of groups and answers with what they say. Runs on shards.
 *
 * Always: a request whose client has gone is still carried out, but nothing of the client is kept for it; a connection is counted
 * towards the shard that coordinates its group, so that it settles there (net/affinity.ts).
 */
import type { GroupApiKey, GroupRequest, GroupResponse } from "../partitions/coordinators/group_requests.ts";
import type { GroupClient } from "../partitions/coordinators/ports.ts";
import type { RequestExchange } from "./exchange.ts";
import type { ShardServices } from "./handler.ts";
import { charge } from "./quota.ts";

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

/** What is asked about several groups, of which each shard has some. */
export interface GroupsQuestion<Key extends GroupApiKey, Item, Result> {
  readonly apiKey: Key;
  /** What is asked, in the order of the answer. */
  readonly items: readonly Item[];
  readonly groupIdOf: (item: Item) => string;
  readonly requestFor: (items: readonly Item[]) => GroupRequest<Key>;
  /** The results of one answer, one for each item that was asked. */
  readonly resultsOf: (response: GroupResponse<Key>) => readonly Result[];
}

/** Who asks, as coordinators see it. */
function clientOf({ context, apiVersion }: RequestExchange): GroupClient {
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
  const shard = services.groups.ownerOf(groupId);
  exchange.affinity.touch(shard);
  const answer = answerOnce(exchange);
  services.groups.call(
    { shard, apiKey, request, client: clientOf(exchange) },
    (response) => answer(response === null ? null : shape(response)),
  );
}

/**
 * Asks the coordinators of several groups, each shard once, and answers when all have.
 * @param finish makes the answer of the results, which are in the order of the items; it must not keep the exchange
 */
export function askGroups<Key extends GroupApiKey, Item, Result>(
  question: GroupsQuestion<Key, Item, Result>,
  { exchange, services }: GroupAsker,
  finish: (results: readonly Result[]) => GroupResponse<Key>,
): void {
  const { apiKey, items, groupIdOf, requestFor, resultsOf } = question;
  const byShard = new Map<number, number[]>();
  for (const [index, item] of items.entries()) {
    const shard = services.groups.ownerOf(groupIdOf(item));
    exchange.affinity.touch(shard);
    const indexes = byShard.get(shard);
    if (indexes === undefined) byShard.set(shard, [index]);
    else indexes.push(index);
  }
  const answer = answerOnce(exchange);
  const results: Result[] = [];
  const client = clientOf(exchange);
  // Held open until every shard was asked, so that answers that come at once do not end it early.
  let missing = 1;
  let isWhole = true;
  const answered = () => {
    missing--;
    if (missing === 0) answer(isWhole ? finish(results) : null);
  };
  for (const [shard, indexes] of byShard) {
    missing++;
    const request = requestFor(indexes.map((index) => items[index] as Item));
    services.groups.call({ shard, apiKey, request, client }, (response) => {
      const part = response === null ? [] : resultsOf(response);
      isWhole &&= part.length === indexes.length;
      for (const [at, index] of indexes.entries()) results[index] = part[at] as Result;
      answered();
    });
  }
  answered();
}

/**
 * Asks the coordinator of every shard the same and answers when all have.
 * @param finish makes the answer of theirs; it must not keep the exchange
 */
export function askAllShards<Key extends GroupApiKey>(
  { apiKey, request }: { apiKey: Key; request: GroupRequest<Key> },
  { exchange, services }: GroupAsker,
  finish: (responses: readonly GroupResponse<Key>[]) => GroupResponse<Key>,
): void {
  const answer = answerOnce(exchange);
  const responses: GroupResponse<Key>[] = [];
  const { shards } = services.groups;
  const client = clientOf(exchange);
  let missing = shards.length;
  let isWhole = true;
  for (const shard of shards) {
    services.groups.call({ shard, apiKey, request, client }, (response) => {
      if (response === null) isWhole = false;
      else responses.push(response);
      missing--;
      if (missing === 0) answer(isWhole ? finish(responses) : null);
    });
  }
}

/** Answers at once, without asking anybody. */
export function answerGroup(exchange: RequestExchange, response: object): void {
  exchange.respond({ ...response, throttleTimeMs: charge(exchange.context, "request", 1) });
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
    else answerGroup(asker, response);
  };
}

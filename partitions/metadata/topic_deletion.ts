/**
 * Finds the topics that a DeleteTopics request names, by name or by id. Pure; the main isolate runs it.
 *
 * Source: Kafka's ControllerApis.deleteTopics. Results keep the order of the request. (Kafka shuffles them, so that their order does not
 * reveal hidden topics.)
 */
import { errorCode, errorMessage } from "../../net/protocol/error_codes.ts";
import type { DeletableTopicResult, DeleteTopicsRequest } from "../../net/protocol/messages/20_delete_topics.ts";
import type { MutationQuota } from "../quotas/mutation_quotas.ts";
import { ZERO_UUID } from "../../net/protocol/text_cache.ts";

/** How topics are found. */
export interface TopicLookup {
  topic(name: string): { readonly name: string; readonly id: string } | undefined;
  topicById(id: string): { readonly name: string; readonly id: string } | undefined;
}

/** The plan for a request. */
export interface DeletionPlan {
  /** One per topic of the request; topics in `ids` have NONE. */
  readonly results: readonly DeletableTopicResult[];
  /** Topics to delete. */
  readonly ids: readonly string[];
}

/** One topic, as the request names it. */
interface Named {
  readonly name: string | null;
  readonly topicId: string;
}

/** The topics of a request of any version. */
export function topicsOf(request: DeleteTopicsRequest): Named[] {
  return [...request.topicNames.map((name) => ({ name, topicId: ZERO_UUID })), ...request.topics];
}

/** The same answer for every topic of a request. */
export function refuseDeletion(request: DeleteTopicsRequest, code: number, message = errorMessage(code)): DeletionPlan {
  return { results: topicsOf(request).map(({ name, topicId }) => result(name, topicId, code, message)), ids: [] };
}

/** Finds the topics of a request. */
export function planDeletion(request: DeleteTopicsRequest, lookup: TopicLookup): DeletionPlan {
  const named = topicsOf(request);
  const counts = new Map<string, number>();
  for (const topic of named) counts.set(identity(topic), (counts.get(identity(topic)) ?? 0) + 1);
  const results: DeletableTopicResult[] = [];
  const found = new Map<string, number>();
  const seen = new Set<string>();
  for (const topic of named) {
    const key = identity(topic);
    if (key !== "" && seen.has(key)) continue;
    seen.add(key);
    const refused = refuseForm(topic, counts.get(key) ?? 0);
    if (refused !== null) results.push(refused);
    else add(topic, lookup, { results, found });
  }
  return { results, ids: [...found.keys()] };
}

/** Charges the topics of a plan in their order, and refuses those that exceed the quota. */
export function limitDeletion(
  { ids, results }: DeletionPlan,
  image: { topicById(id: string): { readonly partitions: readonly unknown[] } | undefined },
  quota: Pick<MutationQuota, "refuse">,
): DeletionPlan {
  const refusalOf = (id: string) => quota.refuse(id, image.topicById(id)?.partitions.length ?? 0);
  const refused = new Map(ids.map((id) => [id, refusalOf(id)]));
  return {
    ids: ids.filter((id) => refused.get(id) === null),
    results: results.map((each) => ({
      ...each,
      ...each.errorCode === errorCode.NONE && refused.get(each.topicId ?? ""),
    })),
  };
}

/** What identifies the topic in the request; "" when it gives both a name and an id, or neither. */
function identity({ name, topicId }: Named): string {
  if (name === null) return topicId === ZERO_UUID ? "" : `id ${topicId}`;
  return topicId === ZERO_UUID ? `name ${name}` : "";
}

function refuseForm({ name, topicId }: Named, count: number): DeletableTopicResult | null {
  const refuse = (message: string) => result(name, topicId, errorCode.INVALID_REQUEST, message);
  if (name === null && topicId === ZERO_UUID) return refuse("Neither topic name nor id were specified.");
  if (name !== null && topicId !== ZERO_UUID) return refuse("You may not specify both topic name and topic id.");
  if (count === 1) return null;
  return refuse(name === null ? "Duplicate topic id." : "Duplicate topic name.");
}

function add(
  { name, topicId }: Named,
  lookup: TopicLookup,
  { results, found }: { results: DeletableTopicResult[]; found: Map<string, number> },
): void {
  const topic = name === null ? lookup.topicById(topicId) : lookup.topic(name);
  if (topic === undefined) {
    const code = name === null ? errorCode.UNKNOWN_TOPIC_ID : errorCode.UNKNOWN_TOPIC_OR_PARTITION;
    results.push(result(name, topicId, code, errorMessage(code)));
  } else if (found.has(topic.id)) {
    // The request names the topic by its id and by its name: Kafka then deletes neither.
    const message = "The provided topic name maps to an ID that was already supplied.";
    results[found.get(topic.id) as number] = result(topic.name, topic.id, errorCode.INVALID_REQUEST, message);
    found.delete(topic.id);
  } else {
    found.set(topic.id, results.length);
    results.push(result(topic.name, topic.id, errorCode.NONE, null));
  }
}

function result(name: string | null, topicId: string, code: number, message: string | null): DeletableTopicResult {
  return { name, topicId, errorCode: code, errorMessage: message };
}

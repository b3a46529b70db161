/**
 * Plans CreatePartitions: checks a request and gives, for each topic, the replicas of its new partitions or why it is refused. Pure; the
 * main isolate runs it.
 *
 * Source: Kafka's ControllerApis.createPartitions and ReplicationControlManager.createPartitions, in their order of checks and with their
 * sentences. Beyond Kafka: one request adds no more partitions than CreateTopics may (POLICY_VIOLATION), and a broker has a limit of
 * partitions (INVALID_PARTITIONS). Internal topics cannot grow: Kafka adds partitions to `__consumer_offsets`, and then no longer finds
 * the offsets of most groups.
 */
import { errorCode, errorMessage } from "../../net/protocol/error_codes.ts";
import type { CreatePartitionsTopic } from "../../net/protocol/messages/37_create_partitions.ts";
import type { TopicImage } from "./image.ts";
import { refuseAssignment } from "../placement/manual_assignment.ts";
import { placeReplicas, type Replicas } from "../placement/replica_placement.ts";
import {
  chooserOf,
  countReplicas,
  type CreationRefusal,
  type CreationRules,
  noRoomFor,
  PARTITIONS_PER_REQUEST_MAX,
} from "./topic_creation.ts";

/** What the checks depend on. */
export interface GrowthRules extends Pick<CreationRules, "brokers" | "random" | "freeCount" | "scarcity"> {
  topic(name: string): TopicImage | undefined;
}

/** A topic to which partitions are added. */
export interface GrowthPlan {
  readonly topic: TopicImage;
  /** Node ids of the replicas by new partition, the preferred leader first. */
  readonly replicas: Replicas;
}

/** The plan for one topic of a request. */
export type PlannedGrowth = { readonly name: string } & ({ readonly plan: GrowthPlan } | CreationRefusal);

/** Checks a request. @returns one entry per name, in the order of the request */
export function planPartitions(topics: readonly CreatePartitionsTopic[], rules: GrowthRules): PlannedGrowth[] {
  const counts = new Map<string, number>();
  for (const { name } of topics) counts.set(name, (counts.get(name) ?? 0) + 1);
  let [freeCount, requestCount] = [rules.freeCount, PARTITIONS_PER_REQUEST_MAX];
  const planned = new Map<string, PlannedGrowth>();
  for (const topic of topics) {
    const { name } = topic;
    if (planned.has(name)) continue;
    const result = counts.get(name) === 1
      ? planGrowth(topic, { ...rules, freeCount, requestCount })
      : refuse("INVALID_REQUEST", "Duplicate topic name.");
    planned.set(name, { name, ...result });
    if ("errorCode" in result) continue;
    freeCount -= countReplicas(result.plan.replicas);
    requestCount -= result.plan.replicas.length;
  }
  return [...planned.values()];
}

function planGrowth(
  { name, count, assignments }: CreatePartitionsTopic,
  rules: GrowthRules & { requestCount: number },
): { readonly plan: GrowthPlan } | CreationRefusal {
  const topic = rules.topic(name);
  if (topic === undefined) {
    return refuse("UNKNOWN_TOPIC_OR_PARTITION", errorMessage(errorCode.UNKNOWN_TOPIC_OR_PARTITION));
  }
  const existing = topic.partitions.length;
  if (count === existing) return refuse("INVALID_PARTITIONS", `Topic already has ${existing} partition(s).`);
  if (count < existing) {
    const has = `The topic ${name} currently has ${existing} partition(s)`;
    return refuse("INVALID_PARTITIONS", `${has}; ${count} would not be an increase.`);
  }
  if (topic.isInternal) {
    const why = "what it holds is found by the number of its partitions";
    return refuse("INVALID_PARTITIONS", `Partitions of internal topic ${name} cannot be added: ${why}.`);
  }
  const added = count - existing;
  if (assignments !== null && assignments.length !== added) {
    const message = `Attempted to add ${added} additional partition(s), but only ${assignments.length} assignment(s) ` +
      "were specified.";
    return refuse("INVALID_REPLICA_ASSIGNMENT", message);
  }
  if (added > rules.requestCount) {
    return refuse("POLICY_VIOLATION", "Excessively large number of partitions per request.");
  }
  const factor = topic.partitions[0]?.replicas.length ?? 1;
  if (added * factor > rules.freeCount) return refuse("INVALID_PARTITIONS", noRoomFor(added * factor, rules));
  if (assignments === null) {
    const placed = placeReplicas({ count: added, replicationFactor: factor }, rules.brokers, chooserOf(rules));
    if ("refused" in placed) return refuse("INVALID_REPLICATION_FACTOR", placed.refused);
    return { plan: { topic, replicas: placed } };
  }
  for (const [index, { brokerIds }] of assignments.entries()) {
    const wrong = refuseAssignment({ brokerIds, partition: existing + index }, rules.brokers, factor);
    if (wrong !== null) return refuse("INVALID_REPLICA_ASSIGNMENT", wrong);
  }
  return { plan: { topic, replicas: assignments.map(({ brokerIds }) => brokerIds) } };
}

function refuse(name: keyof typeof errorCode, message: string): CreationRefusal {
  return { errorCode: errorCode[name], errorMessage: message };
}

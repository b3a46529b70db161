/**
 * Plans CreateTopics: checks a request and gives, for each topic, what would be created or why it is refused. Pure; the main isolate
 * runs it.
 *
 * Source: Kafka's ControllerApis.createTopics and ReplicationControlManager.createTopics, in their order of checks and with their
 * sentences. Beyond Kafka: a broker has a limit of partitions (INVALID_PARTITIONS), and a name that collides with another new name of the
 * request is refused like one that collides with an existing topic.
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import type { CreatableTopic } from "../../net/protocol/messages/19_create_topics.ts";
import { validateTopicConfigs } from "../config/topics/topic_configs.ts";
import { refuseAssignment } from "../placement/manual_assignment.ts";
import { type PlaceableBroker, placeReplicas, type Replicas } from "../placement/replica_placement.ts";
import { CLUSTER_METADATA_TOPIC, collisionKey, refuseTopicName } from "./topic_names.ts";

/** Most partitions that one request may create (ReplicationControlManager.MAX_PARTITIONS_PER_BATCH). */
export const PARTITIONS_PER_REQUEST_MAX = 10_000;

/** What the checks depend on. */
export interface CreationRules {
  /** `num.partitions` */
  readonly numPartitions: number;
  /** `default.replication.factor` */
  readonly replicationFactor: number;
  /** All registered brokers. */
  readonly brokers: readonly PlaceableBroker[];
  /** Uniform in [0, 1): which of the brokers begin. */
  readonly random: () => number;
  /** How many more replicas fit. */
  readonly freeCount: number;
  /** Why no more fit, when it is not the broker's limit of partitions: the end of a sentence. */
  readonly scarcity?: string;
  /** Whether a topic of this name exists. */
  exists(name: string): boolean;
  /** The existing topic with a collision key. */
  colliding(key: string): string | undefined;
}

/** A topic to be created. */
export interface TopicPlan {
  readonly name: string;
  readonly configs: Readonly<Record<string, string>>;
  /** Node ids by partition, the preferred leader first. */
  readonly replicas: Replicas;
}

/** A refusal. */
export interface CreationRefusal {
  readonly errorCode: number;
  readonly errorMessage: string;
}

/** The plan for one topic of a request. */
export type PlannedTopic = { readonly name: string } & ({ readonly plan: TopicPlan } | CreationRefusal);

/** Checks a request. @returns one entry per name, in the order of the request */
export function planTopics(topics: readonly CreatableTopic[], rules: CreationRules): PlannedTopic[] {
  if (countPartitions(topics, rules) > PARTITIONS_PER_REQUEST_MAX) {
    const refused = refuse("POLICY_VIOLATION", "Excessively large number of partitions per request.");
    return topics.map(({ name }) => ({ name, ...refused }));
  }
  const counts = new Map<string, number>();
  for (const { name } of topics) counts.set(name, (counts.get(name) ?? 0) + 1);
  const newKeys = new Map<string, string>();
  let freeCount = rules.freeCount;
  const planned = new Map<string, PlannedTopic>();
  for (const topic of topics) {
    const { name } = topic;
    if (planned.has(name)) continue;
    const colliding = (key: string) => rules.colliding(key) ?? newKeys.get(key);
    const result = counts.get(name) === 1
      ? planTopic(topic, { ...rules, freeCount, colliding })
      : refuse("INVALID_REQUEST", "Duplicate topic name.");
    planned.set(name, { name, ...result });
    if ("errorCode" in result) continue;
    freeCount -= countReplicas(result.plan.replicas);
    const key = collisionKey(name);
    if (key !== null) newKeys.set(key, name);
  }
  return [...planned.values()];
}

type Result = { readonly plan: TopicPlan } | CreationRefusal;

function planTopic(topic: CreatableTopic, rules: CreationRules): Result {
  return refuseName(topic.name, rules) ?? planConfigs(topic, rules);
}

function refuseName(name: string, rules: CreationRules): CreationRefusal | null {
  if (name === CLUSTER_METADATA_TOPIC) {
    return refuse("INVALID_REQUEST", `Creation of internal topic ${CLUSTER_METADATA_TOPIC} is prohibited.`);
  }
  if (rules.exists(name)) return refuse("TOPIC_ALREADY_EXISTS", `Topic '${name}' already exists.`);
  const invalid = refuseTopicName(name);
  if (invalid !== null) return refuse("INVALID_TOPIC_EXCEPTION", invalid);
  const key = collisionKey(name);
  const colliding = key === null ? undefined : rules.colliding(key);
  return colliding === undefined
    ? null
    : refuse("INVALID_TOPIC_EXCEPTION", `Topic '${name}' collides with existing topic: ${colliding}`);
}

function planConfigs(topic: CreatableTopic, rules: CreationRules): Result {
  const nulls = topic.configs.filter(({ value }) => value === null).map(({ name }) => name);
  if (nulls.length > 0) {
    return refuse("INVALID_CONFIG", `Null value not supported for topic configs: ${nulls.join(",")}`);
  }
  // Object.fromEntries makes a config named "__proto__" an ordinary property, which is refused by its name.
  const configs = Object.fromEntries(topic.configs.map(({ name, value }) => [name, value as string]));
  const invalid = validateTopicConfigs(configs);
  if (invalid !== null) return refuse("INVALID_CONFIG", invalid);
  const replicas = topic.assignments.length > 0 ? assigned(topic, rules) : spread(topic, rules);
  if ("errorCode" in replicas) return replicas;
  const count = countReplicas(replicas);
  if (count > rules.freeCount) return refuse("INVALID_PARTITIONS", noRoomFor(count, rules));
  return { plan: { name: topic.name, configs, replicas } };
}

/** How many logs there will be on all brokers together. */
export function countReplicas(replicas: Replicas): number {
  return replicas.reduce((count, brokerIds) => count + brokerIds.length, 0);
}

/** Room for partitions, as limited by descriptors. */
export interface PartitionRoom {
  /** How many more fit. */
  readonly count: number;
  /** Why no more fit: the end of a sentence. */
  readonly scarcity: string;
}

/** The smaller of two limits. @param tableCount how many more partitions fit into the watermark table */
export function scarcest(tableCount: number, room: PartitionRoom): { freeCount: number; scarcity?: string } {
  return room.count < tableCount ? { freeCount: room.count, scarcity: room.scarcity } : { freeCount: tableCount };
}

/** The sentence that refuses new partitions. */
export function noRoomFor(count: number, { freeCount, scarcity }: { freeCount: number; scarcity?: string }): string {
  const room = `${freeCount} more ${freeCount === 1 ? "fits" : "fit"}`;
  return `This broker has no room for ${count} partitions: ${room}${
    scarcity === undefined ? "" : `, because ${scarcity}`
  }.`;
}

/** The replicas that the client assigned. */
function assigned(topic: CreatableTopic, rules: CreationRules): Replicas | CreationRefusal {
  const manual = "A manual partition assignment was specified, but";
  if (topic.replicationFactor !== -1) {
    return refuse("INVALID_REQUEST", `${manual} replication factor was not set to -1.`);
  }
  if (topic.numPartitions !== -1) return refuse("INVALID_REQUEST", `${manual} numPartitions was not set to -1.`);
  const replicas = new Map<number, readonly number[]>();
  for (const { partitionIndex, brokerIds } of topic.assignments) {
    if (replicas.has(partitionIndex)) {
      const message = `Found multiple manual partition assignments for partition ${partitionIndex}`;
      return refuse("INVALID_REPLICA_ASSIGNMENT", message);
    }
    const first = replicas.values().next().value;
    const assignment = { brokerIds, partition: partitionIndex };
    const wrong = refuseAssignment(assignment, rules.brokers, first?.length ?? brokerIds.length);
    if (wrong !== null) return refuse("INVALID_REPLICA_ASSIGNMENT", wrong);
    replicas.set(partitionIndex, brokerIds);
  }
  const ordered = Array.from({ length: replicas.size }, (_, partition) => replicas.get(partition));
  return ordered.every((brokerIds) => brokerIds !== undefined)
    ? ordered as Replicas
    : refuse("INVALID_REPLICA_ASSIGNMENT", "partitions should be a consecutive 0-based integer sequence");
}

/** Assigns replicas for the client. */
function spread(topic: CreatableTopic, rules: CreationRules): Replicas | CreationRefusal {
  if (topic.replicationFactor < -1 || topic.replicationFactor === 0) {
    return refuse(
      "INVALID_REPLICATION_FACTOR",
      "Replication factor must be larger than 0, or -1 to use the default value.",
    );
  }
  if (topic.numPartitions < -1 || topic.numPartitions === 0) {
    return refuse("INVALID_PARTITIONS", "Number of partitions was set to an invalid non-positive value.");
  }
  const count = topic.numPartitions === -1 ? rules.numPartitions : topic.numPartitions;
  const factor = topic.replicationFactor === -1 ? rules.replicationFactor : topic.replicationFactor;
  const unable = `Unable to replicate the partition ${factor} time(s)`;
  const placed = placeReplicas({ count, replicationFactor: factor }, rules.brokers, chooserOf(rules));
  return "refused" in placed ? refuse("INVALID_REPLICATION_FACTOR", `${unable}: ${placed.refused}`) : placed;
}

/** Chooses an integer below a bound. */
export function chooserOf({ random }: Pick<CreationRules, "random">): (bound: number) => number {
  return (bound) => Math.floor(random() * bound);
}

function countPartitions(topics: readonly CreatableTopic[], rules: CreationRules): number {
  let count = 0;
  for (const { assignments, numPartitions } of topics) {
    if (assignments.length > 0) count += assignments.length;
    else count += numPartitions === -1 ? rules.numPartitions : Math.max(numPartitions, 0);
  }
  return count;
}

function refuse(name: keyof typeof errorCode, errorMessage: string): CreationRefusal {
  return { errorCode: errorCode[name], errorMessage };
}

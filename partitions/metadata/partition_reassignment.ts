/**
 * Carries out AlterPartitionReassignments. What depends on a partition's row is decided with the row that the change compares
 * (cluster/reassignment.ts). Main isolate.
 *
 * Source: Kafka's ReplicationControlManager.alterPartitionReassignments, with its order of checks and its sentences. One sentence beyond
 * Kafka's: what would leave at once while only it is in sync is refused for a new target, too, not only when it is cancelled.
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import type {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from "../../net/protocol/messages/45_alter_partition_reassignments.ts";
import type { ReassignmentRefusal } from "../cluster/reassignment.ts";
import { refuseReplicas } from "../placement/manual_assignment.ts";
import type { PlaceableBroker } from "../placement/replica_placement.ts";
import type { MetadataImage, TopicImage } from "./image.ts";

/** A reassignment of a partition that exists, to brokers that are registered. */
export interface WantedReassignment {
  readonly topic: TopicImage;
  readonly partition: number;
  /** Node ids, the preferred leader first; null cancels. */
  readonly replicas: readonly number[] | null;
  /** Whether the number of replicas may change. */
  readonly mayChangeFactor: boolean;
}

/** How a partition is answered: a code, and Kafka's sentence where it has one. */
export interface ReassignmentResult {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** The plan for one partition of a request. */
export type PlannedReassignment = WantedReassignment | ReassignmentResult;

/** What became of reassignments: null for one that is begun or needs no change. */
export type ReassignmentOutcomes = ReadonlyMap<WantedReassignment, ReassignmentResult | null>;

const DONE: ReassignmentResult = { errorCode: errorCode.NONE, errorMessage: null };

/** What a request is carried out with. */
export interface ReassignmentParts {
  /** As changes/changes.ts says. */
  readonly changes: {
    brokers(): readonly PlaceableBroker[];
    reassign(wanted: readonly WantedReassignment[]): Promise<ReassignmentOutcomes>;
  };
  readonly image: Pick<MetadataImage, "topic">;
}

/** What the checks depend on. */
export interface ReassignmentPlanRules {
  /** All registered brokers. */
  readonly brokers: readonly PlaceableBroker[];
  topic(name: string): TopicImage | undefined;
}

/** Carries out a request. */
export async function alterReassignments(
  request: AlterPartitionReassignmentsRequest,
  { changes, image }: ReassignmentParts,
): Promise<AlterPartitionReassignmentsResponse> {
  const planned = planReassignments(request, { brokers: changes.brokers(), topic: (name) => image.topic(name) });
  const outcomes = await changes.reassign(planned.flatMap((plan) => "errorCode" in plan ? [] : [plan]));
  let next = 0;
  return answerReassignments(request, () => {
    const plan = planned[next++] as PlannedReassignment;
    return ("errorCode" in plan ? plan : outcomes.get(plan)) ?? DONE;
  });
}

/** Checks a request. @returns one entry per partition, in the order of the request */
export function planReassignments(
  { topics, allowReplicationFactorChange: mayChangeFactor }: AlterPartitionReassignmentsRequest,
  rules: ReassignmentPlanRules,
): PlannedReassignment[] {
  return topics.flatMap(({ name, partitions }) => {
    const topic = rules.topic(name);
    return partitions.map(({ partitionIndex: partition, replicas }): PlannedReassignment => {
      if (topic === undefined) return refuse("UNKNOWN_TOPIC_OR_PARTITION", `Unable to find a topic named ${name}.`);
      if (topic.partitions[partition] === undefined) {
        return refuse("UNKNOWN_TOPIC_OR_PARTITION", `Unable to find partition ${name}:${partition}.`);
      }
      const wrong = replicas === null ? null : refuseReplicas(replicas, rules.brokers);
      if (wrong !== null) return refuse("INVALID_REPLICA_ASSIGNMENT", wrong);
      return { topic, partition, replicas, mayChangeFactor };
    });
  });
}

/** Kafka's code and sentence for a reassignment that its row refuses. */
export function refusedReassignment(
  refusal: ReassignmentRefusal,
  { topic, partition, replicas }: WantedReassignment,
): ReassignmentResult {
  if (typeof refusal === "object") {
    const { from, to } = refusal;
    return refuse("INVALID_REPLICATION_FACTOR", `The replication factor is changed from ${from} to ${to}`);
  }
  switch (refusal) {
    case "none-in-progress":
      return refuse("NO_REASSIGNMENT_IN_PROGRESS", null);
    case "would-be-unclean": {
      const what = replicas === null ? "revert partition assignment" : "replace the reassignment";
      const why = "because it would require an unclean leader election.";
      return refuse("INVALID_REPLICA_ASSIGNMENT", `Unable to ${what} for ${topic.name}:${partition} ${why}`);
    }
  }
}

/** Answers every partition of a request, in its order. @param next what the next one is answered */
export function answerReassignments(
  { topics, allowReplicationFactorChange }: AlterPartitionReassignmentsRequest,
  next: () => ReassignmentResult,
): AlterPartitionReassignmentsResponse {
  const responses = topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => {
      const { errorCode: code, errorMessage: message } = next();
      return { partitionIndex, errorCode: code, errorMessage: message };
    }),
  }));
  return { allowReplicationFactorChange, responses };
}

function refuse(name: keyof typeof errorCode, message: string | null): ReassignmentResult {
  return { errorCode: errorCode[name], errorMessage: message };
}

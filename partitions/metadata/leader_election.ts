/**
 * Carries out ElectLeaders. Whether a partition needs an election, and who may win it, is decided with the row that the change compares
 * (cluster/wanted_election.ts). Main isolate.
 *
 * Source: Kafka's ReplicationControlManager.electLeaders, with its order of checks and its sentences.
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import {
  electionTypes,
  type ElectLeadersRequest,
  type ElectLeadersResponse,
} from "../../net/protocol/messages/43_elect_leaders.ts";
import type { ElectionRefusal, WantedLeader } from "../cluster/wanted_election.ts";
import type { MetadataImage, TopicImage } from "./image.ts";

/** An election of a partition that exists. */
export interface WantedElection {
  readonly topic: TopicImage;
  readonly partition: number;
  readonly leader: WantedLeader;
}

/** How a partition is answered: a code, and Kafka's sentence where it has one. */
export interface ElectionResult {
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** What became of elections: null for one that has a leader now. */
export type ElectionOutcomes = ReadonlyMap<WantedElection, ElectionResult | null>;

/** What a request is carried out with. */
export interface ElectionParts {
  /** As changes/changes.ts says. */
  readonly changes: { elect(wanted: readonly WantedElection[]): Promise<ElectionOutcomes> };
  readonly image: Pick<MetadataImage, "topic" | "topics">;
}

const DONE: ElectionResult = { errorCode: errorCode.NONE, errorMessage: null };

type Planned = readonly [partition: number, plan: WantedElection | ElectionResult];

/** Carries out a request. */
export async function electLeaders(
  request: ElectLeadersRequest,
  { changes, image }: ElectionParts,
): Promise<ElectLeadersResponse> {
  const planned = planElections(request, image);
  const wanted = new Set(
    planned.flatMap(([, plans]) => plans.flatMap(([, plan]) => "errorCode" in plan ? [] : [plan])),
  );
  const outcomes = await changes.elect([...wanted]);
  // Kafka leaves out what needs no election where all partitions are meant.
  const isLeftOut = (code: number) => request.topicPartitions === null && code === errorCode.ELECTION_NOT_NEEDED;
  const replicaElectionResults = planned.map(([topic, plans]) => ({
    topic,
    partitionResult: plans.map(([partitionId, plan]) => ({
      partitionId,
      ...("errorCode" in plan ? plan : outcomes.get(plan)) ?? DONE,
    })).filter((result) => !isLeftOut(result.errorCode)),
  }));
  return { errorCode: errorCode.NONE, replicaElectionResults };
}

/** The answer to a request whose turn came too late. */
export function refuseElections(
  { topicPartitions }: ElectLeadersRequest,
  refusal: ElectionResult,
): ElectLeadersResponse {
  const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map((partitionId) => ({ partitionId, ...refusal })),
  }));
  return { errorCode: refusal.errorCode, replicaElectionResults };
}

/** Kafka's code and sentence for an election that its row refuses. */
export function refusedElection(refusal: ElectionRefusal): ElectionResult {
  const [name, sentence] = REFUSALS[refusal];
  return { errorCode: errorCode[name], errorMessage: sentence };
}

const REFUSALS = {
  "not-needed": ["ELECTION_NOT_NEEDED", "Leader election not needed for topic partition."],
  "no-preferred-leader": ["PREFERRED_LEADER_NOT_AVAILABLE", "The preferred leader was not available."],
  "no-eligible-leader": ["ELIGIBLE_LEADERS_NOT_AVAILABLE", "Eligible topic partition leaders are not available."],
} as const satisfies Record<ElectionRefusal, readonly [keyof typeof errorCode, string]>;

/** The plans, topic by topic. A partition that is named twice has one plan. */
function planElections(
  { topicPartitions, electionType }: ElectLeadersRequest,
  image: ElectionParts["image"],
): (readonly [topic: string, plans: readonly Planned[]])[] {
  const leader = electionType === electionTypes.unclean ? "unclean" : "preferred";
  if (topicPartitions === null) {
    return Array.from(image.topics(), (topic) => {
      const plans = topic.partitions.map(({ partition }): Planned => [partition, { topic, partition, leader }]);
      return [topic.name, plans] as const;
    });
  }
  const known = new Map<string, WantedElection>();
  return topicPartitions.map(({ topic: name, partitions }) => {
    const topic = image.topic(name);
    const plans = partitions.map((partition): Planned => {
      if (topic === undefined) return [partition, unknown(`No such topic as ${name}`)];
      if (topic.partitions[partition] === undefined) {
        return [partition, unknown(`No such partition as ${name}-${partition}`)];
      }
      const plan = known.get(`${topic.id}/${partition}`) ?? { topic, partition, leader };
      known.set(`${topic.id}/${partition}`, plan);
      return [partition, plan];
    });
    return [name, plans] as const;
  });
}

function unknown(message: string): ElectionResult {
  return { errorCode: errorCode.UNKNOWN_TOPIC_OR_PARTITION, errorMessage: message };
}

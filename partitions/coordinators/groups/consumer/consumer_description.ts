/**
 * The description of a consumer group for tools. Pure; runs on shards. Source: Kafka's ConsumerGroup.asDescribedGroup,
 * ConsumerGroupMember.asConsumerGroupDescribeMember.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type {
  Assignment,
  DescribedGroup,
  Member,
} from "../../../../net/protocol/messages/69_consumer_group_describe.ts";
import type { MetadataImage } from "../../../metadata/image.ts";
import type { OwnedPartitions } from "./consumer_member.ts";
import type { ConsumerState } from "./consumer_state.ts";

const CLASSIC_MEMBER = 0;
const CONSUMER_MEMBER = 1;

/** Returns the part of ConsumerGroupDescribe for one group. */
export function describeConsumerGroup(state: ConsumerState, image: MetadataImage): DescribedGroup {
  return {
    errorCode: errorCode.NONE,
    errorMessage: null,
    groupId: state.groupId,
    groupState: state.name,
    groupEpoch: state.groupEpoch,
    assignmentEpoch: state.assignmentEpoch,
    assignorName: state.preferredAssignor,
    members: Array.from(state.members.values(), (member): Member => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      memberEpoch: member.memberEpoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      subscribedTopicNames: [...member.topicNames],
      subscribedTopicRegex: member.topicRegex,
      // Partitions that the member still has to give up are its own, too.
      assignment: describePartitions(image, [numbersOf(member.assigned), numbersOf(member.revoking)]),
      targetAssignment: describePartitions(image, [state.targetOf(member.memberId)]),
      memberType: member.classic === null ? CONSUMER_MEMBER : CLASSIC_MEMBER,
    })),
  };
}

type Partitions = ReadonlyMap<string, Iterable<number>>;

/** Leaves out topics that no longer exist, because they have no name. */
function describePartitions(image: MetadataImage, parts: readonly Partitions[]): Assignment {
  const topics = new Map<string, number[]>();
  for (const part of parts) {
    for (const [topicId, partitions] of part) topics.set(topicId, [...topics.get(topicId) ?? [], ...partitions]);
  }
  const topicPartitions = [];
  for (const [topicId, partitions] of topics) {
    const topicName = image.topicById(topicId)?.name;
    if (topicName !== undefined) topicPartitions.push({ topicId, topicName, partitions });
  }
  return { topicPartitions };
}

function numbersOf(owned: OwnedPartitions): Partitions {
  return new Map(Array.from(owned, ([topicId, partitions]) => [topicId, partitions.keys()]));
}

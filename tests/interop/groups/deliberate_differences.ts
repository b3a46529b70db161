/** Answers in which this broker differs from Apache Kafka on purpose, each with its reason. Plain data of a test. */
import type { Line } from "./session.ts";

/** Turns Kafka's line into the expected line of this broker. */
type Change = (kafka: Line) => Line;

const INVALID_REQUEST_TEXT = "The request is malformed or contradicts itself.";

/** Changes fields of an answer. */
function answering(changes: Readonly<Record<string, unknown>>): Change {
  return (line) => ({ ...line, answer: { ...line.answer as object, ...changes } });
}

/** Changes fields of the elements of a list in an answer. */
function answeringEach(list: string, changes: Readonly<Record<string, unknown>>): Change {
  return (line) => {
    const elements = (line.answer as Record<string, object[]>)[list]!;
    return answering({ [list]: elements.map((element) => ({ ...element, ...changes })) })(line);
  };
}

/** The message beside an error code is for people, and this broker has its own. */
function ownSentences(): [string, Change][] {
  const single: [string, Change][] = [1, 2, 3].map((version) => [
    `FindCoordinator v${version} #3`,
    answering({ errorMessage: INVALID_REQUEST_TEXT }),
  ]);
  const several = [4, 5, 6].flatMap((version) =>
    [3, 6].map((step): [string, Change] => [
      `FindCoordinator v${version} #${step}`,
      answeringEach("coordinators", { errorMessage: INVALID_REQUEST_TEXT }),
    ])
  );
  return [...single, ...several];
}

/** A group that is named twice is described once, because a short request could otherwise get a very long answer. */
function describedOnce(): [string, Change][] {
  const once = (line: Line): Line => {
    const { groups } = line.answer as { groups: { groupId: string }[] };
    const isFirst = ({ groupId }: { groupId: string }, index: number) =>
      groups.findIndex((group) => group.groupId === groupId) === index;
    return answering({ groups: groups.filter(isFirst) })(line);
  };
  const classic = [0, 1, 2, 3, 4, 5, 6].map((version): [string, Change] => [`DescribeGroups v${version} #27`, once]);
  const consumer = [0, 1].map((version): [string, Change] => [`ConsumerGroupDescribe v${version} #7`, once]);
  return [...classic, ...consumer];
}

/** By "scenario #step". */
export const deliberateDifferences: ReadonlyMap<string, Change> = new Map<string, Change>([
  ...ownSentences(),
  ...describedOnce(),
  // If a member names a protocol twice, Kafka never completes the vote and waits for ever.
  ["a protocol named twice #2", (line) => ({
    ...line,
    answer: {
      throttleTimeMs: 0,
      errorCode: 0,
      generationId: 1,
      protocolType: "consumer",
      protocolName: "range",
      leader: "first-<id 1>",
      skipAssignment: false,
      memberId: "first-<id 1>",
      members: [{
        memberId: "first-<id 1>",
        groupInstanceId: null,
        metadata: "0000000000010008646966662d6f6e65ffffffff",
      }],
    },
  })],
  // Kafka stores the target assignment, which the member has not got yet. A group that is upgraded again then assigns partitions in use.
  [
    "downgrade: a classic member joins consumers, and the last consumer leaves #14",
    answeringEach("groups", {
      members: [{
        memberId: "<id 1>",
        groupInstanceId: null,
        clientId: "classic",
        clientHost: "/127.0.0.1",
        memberMetadata: "",
        memberAssignment: "000100000000ffffffff",
      }],
    }),
  ],
]);

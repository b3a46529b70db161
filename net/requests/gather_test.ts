import assert from "node:assert/strict";
import { epochEnd } from "../../partitions/questions/epoch_end.ts";
import { toOffset } from "../../storage/base/units.ts";
import {
  askedPartitions,
  context,
  OTHER_TOPIC_ID,
  testServices,
  TOPIC_ID,
  topicImage,
  WireExchange,
} from "../handlers/handler_testing.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { Authorizer } from "./authorizer.ts";
import { gather, type Gathering, gatherMore } from "./gather.ts";
import type { SlicedWork } from "./slices.ts";

type Named = [index: number, text: string];
type Part = [text: string, code: number, endOffset: number];
type Topics = { name: string; partitions: Named[] }[];
type Ask = Parameters<typeof epochEnd.serve>[1];
type Answer = ReturnType<typeof epochEnd.answer.read>;

/** Gathers from two topics of three partitions. @param by takesSteps: the test takes the steps; authorizer: decides about the client */
function run(
  topics: Topics,
  changes: Partial<Gathering<Named, Ask, Answer, Part>> = {},
  by: { takesSteps?: boolean; authorizer?: Authorizer } = {},
) {
  const { partitions, asked } = askedPartitions<typeof epochEnd>();
  const responses: { name: string; partitions: Part[] }[][] = [];
  const work: SlicedWork[] = [];
  const slices = { run: (given: SlicedWork) => void work.push(given) };
  const { services } = testServices(
    [topicImage("t", TOPIC_ID, 3), topicImage("u", OTHER_TOPIC_ID, 3)],
    by.takesSteps ? { partitions, slices } : { partitions },
  );
  const gathering: Gathering<Named, Ask, Answer, Part> = {
    question: epochEnd,
    topics,
    repeated: "each",
    indexOf: ([index]) => index,
    ask: ([index]) => ({ currentLeaderEpoch: -1, leaderEpoch: index }),
    part: ([, text], code, { endOffset }) => [text, code, endOffset],
    respond: (answered) => {
      responses.push(Array.from(answered, ({ name, partitions }) => ({ name, partitions: [...partitions] })));
    },
    ...changes,
  };
  const connection = context(by.authorizer === undefined ? {} : { authorizer: by.authorizer });
  gather(gathering, new WireExchange<never>(23, 4, connection), services);
  const answer = (index: number) => {
    const question = asked[index];
    question?.waiter.onAnswer(question.tag, { refusal: null, leaderEpoch: 0, endOffset: toOffset(index) });
  };
  return { asked, answer, responses, work };
}

Deno.test("gather() responds once, when the last partition has answered, in the order of the request", () => {
  const topics: Topics = [
    { name: "u", partitions: [[2, "a"], [0, "b"]] },
    { name: "none", partitions: [] },
    { name: "t", partitions: [[1, "c"]] },
  ];
  const { asked, answer, responses } = run(topics);
  assert.deepEqual(asked.map(({ ask }) => ask.leaderEpoch), [2, 0, 1]);
  for (const index of [2, 0]) answer(index);
  assert.equal(responses.length, 0);
  answer(1);
  assert.deepEqual(responses, [[
    { name: "u", partitions: [["a", 0, 0], ["b", 0, 1]] },
    { name: "none", partitions: [] },
    { name: "t", partitions: [["c", 0, 2]] },
  ]]);
});

Deno.test("gather() takes one step for each partition, and responds after the last step when all have answered", () => {
  const { asked, answer, responses, work: [work] } = run(
    [{ name: "t", partitions: [[0, "a"], [1, "b"]] }, { name: "u", partitions: [[2, "c"]] }],
    {},
    { takesSteps: true },
  );
  for (const more of [true, true, false]) {
    assert.equal(work?.step(), more);
    answer(asked.length - 1);
  }
  assert.equal(responses.length, 0);
  work?.finish();
  assert.deepEqual(responses.map((topics) => topics.length), [2]);
});

Deno.test("gather() of a request that names no partition responds at once", () => {
  for (const topics of [[], [{ name: "t", partitions: [] }]]) assert.deepEqual(run(topics).responses, [topics]);
});

Deno.test("gather() asks no partition that it refuses: unknown partition, refused topic, refused question", () => {
  const UNKNOWN = errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  const codes = (topics: Topics, changes: Parameters<typeof run>[1]) => {
    const { asked, responses } = run(topics, changes);
    assert.equal(asked.length, 0);
    return responses[0]?.flatMap(({ partitions }) => partitions.map(([, code, endOffset]) => [code, endOffset]));
  };
  const named: Topics = [{ name: "none", partitions: [[0, "a"]] }, { name: "t", partitions: [[3, "b"], [-1, "c"]] }];
  assert.deepEqual(codes(named, {}), [[UNKNOWN, -1], [UNKNOWN, -1], [UNKNOWN, -1]]);
  const one: Topics = [{ name: "t", partitions: [[0, "a"]] }];
  assert.deepEqual(codes(one, { refuseTopic: () => 17 }), [[17, -1]]);
  assert.deepEqual(codes(one, { ask: () => 35 }), [[35, -1]]);
});

Deno.test("gather() asks a partition that is named twice each time, never, or with the last values", () => {
  const topics: Topics = [
    { name: "t", partitions: [[0, "a"], [1, "b"]] },
    { name: "u", partitions: [[0, "c"]] },
    { name: "t", partitions: [[0, "d"]] },
  ];
  const texts = (repeated: "each" | "refused" | "last") => {
    const { asked, answer, responses } = run(topics, { repeated });
    for (const index of asked.keys()) answer(index);
    return responses[0]?.map(({ name, partitions }) => [name, ...partitions.map(([text, code]) => `${text}${code}`)]);
  };
  const TWICE = errorCode.INVALID_REQUEST;
  assert.deepEqual(texts("each"), [["t", "a0", "b0"], ["u", "c0"], ["t", "d0"]]);
  assert.deepEqual(texts("refused"), [["t", `a${TWICE}`, "b0"], ["u", "c0"], ["t", `d${TWICE}`]]);
  assert.deepEqual(texts("last"), [["t", "d0", "b0"], ["u", "c0"]]);
});

Deno.test("gather() checks the client's permission once for each topic, and not at all without an operation", () => {
  const topics: Topics = [{ name: "t", partitions: [[0, "a"], [9, "b"]] }, { name: "u", partitions: [[0, "c"]] }];
  const questions: string[] = [];
  const authorizer: Authorizer = {
    allows: (_principal, operation, { type, name }) => {
      questions.push(`${operation} ${type} ${name}`);
      return name === "u";
    },
  };
  const { asked, answer, responses } = run(topics, { operation: "DESCRIBE" }, { authorizer });
  assert.deepEqual([questions, asked.length], [["DESCRIBE TOPIC t", "DESCRIBE TOPIC u"], 1]);
  answer(0);
  const FAILED = errorCode.TOPIC_AUTHORIZATION_FAILED;
  assert.deepEqual(responses[0]?.[0]?.partitions, [["a", FAILED, -1], ["b", FAILED, -1]]);
  assert.equal(run(topics, {}, { authorizer }).asked.length, 2);
  assert.equal(questions.length, 2);
});

Deno.test("gatherMore() asks in a later turn, and responds when the last partition has answered", () => {
  const later: SlicedWork[] = [];
  const { partitions, asked } = askedPartitions<typeof epochEnd>();
  const slices = { resumeLater: (work: SlicedWork) => void later.push(work) };
  const { services } = testServices([topicImage("t", TOPIC_ID, 3)], { partitions, slices });
  const responses: [string, number[]][][] = [];
  const gathering: Gathering<number, Ask, Answer, number> = {
    question: epochEnd,
    topics: [{ name: "t", partitions: [2] }],
    repeated: "each",
    indexOf: (index) => index,
    ask: (leaderEpoch) => ({ currentLeaderEpoch: -1, leaderEpoch }),
    part: (_index, _code, { endOffset }) => endOffset,
    respond: (answered) => void responses.push(Array.from(answered, ({ name, partitions }) => [name, [...partitions]])),
  };
  gatherMore(gathering, new WireExchange<never>(23, 4), services);
  assert.deepEqual([asked.length, later.length], [0, 1]);
  assert.equal(later[0]?.step(), false);
  later[0]?.finish();
  assert.deepEqual([asked.length, responses], [1, []]);
  asked[0]?.waiter.onAnswer(asked[0].tag, { refusal: null, leaderEpoch: 0, endOffset: toOffset(9) });
  assert.deepEqual(responses, [[["t", [9]]]]);
});

Deno.test("gather() passes each answer on when it arrives, and keeps none but the codes of what it did not ask, where the handler receives them", () => {
  const received: [text: string, code: number, endOffset: number][] = [];
  const topics: Topics = [
    { name: "none", partitions: [] },
    { name: "t", partitions: [[0, "a"], [9, "b"], [2, "c"]] },
    { name: "u", partitions: [[1, "d"], [2, "e"]] },
    { name: "t", partitions: [] },
  ];
  const { answer, asked, responses } = run(topics, {
    ask: ([index, text]) => text === "e" ? null : { currentLeaderEpoch: -1, leaderEpoch: index },
    receive: ({ topic, named: [, text] }, code, { endOffset }) => void received.push([topic + text, code, endOffset]),
  });
  answer(2);
  asked[1]?.waiter.onAnswer(asked[1].tag, {
    refusal: "not-leader-or-follower",
    leaderEpoch: 0,
    endOffset: toOffset(5),
  });
  assert.equal(responses.length, 0);
  answer(0);
  assert.deepEqual(received, [
    ["ud", errorCode.NONE, 2],
    ["tc", errorCode.NOT_LEADER_OR_FOLLOWER, -1],
    ["ta", errorCode.NONE, 0],
  ]);
  assert.deepEqual(responses.flat().map(({ partitions }) => partitions), [
    [],
    [["a", 0, -1], ["b", errorCode.UNKNOWN_TOPIC_OR_PARTITION, -1], ["c", 0, -1]],
    [["d", 0, -1], ["e", 0, -1]],
    [],
  ]);
});

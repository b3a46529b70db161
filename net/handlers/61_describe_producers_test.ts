import assert from "node:assert/strict";
import { Answers, smallLogs, TestShards, topicOn } from "../../partitions/owned/partition_testing.ts";
import { activeProducers, LISTED_PRODUCERS_MAX } from "../../partitions/questions/active_producers.ts";
import { buildBatch } from "../../tests/record_batch_builder.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from "../protocol/messages/61_describe_producers.ts";
import type { Authorizer } from "../requests/authorizer.ts";
import type { Handler } from "../requests/api.ts";
import { describeProducersApi } from "./61_describe_producers.ts";
import { askedPartitions, context, testServices, TOPIC_ID, topicImage, WireExchange } from "./handler_testing.ts";

const FULL = errorCode.THROTTLING_QUOTA_EXCEEDED;

type Producer = (typeof activeProducers.nothing)["producers"][number];
type Topics = DescribeProducersRequest["topics"];

/** An exchange whose connection a test closes. */
class ClosingExchange extends WireExchange<DescribeProducersResponse> {
  isEnded = false;
  abandon: () => void = () => {};

  override onAbandoned(drop?: () => void): void {
    if (drop !== undefined) this.abandon = drop;
  }
  override respondNothing(): void {
    this.isEnded = true;
  }
}

/** The handler of a shard with the topic "t" of three partitions. */
function scene({ authorizer }: { authorizer?: Authorizer } = {}) {
  const { partitions, asked } = askedPartitions<typeof activeProducers>();
  const { services } = testServices([topicImage("t", TOPIC_ID, 3)], { partitions });
  const handle = describeProducersApi.handlerOf(services) as Handler<DescribeProducersRequest, unknown>;
  return {
    /** Unanswered questions. */
    asked,
    ask: (...topics: Topics) => {
      const exchange = new ClosingExchange(61, 0, context(authorizer === undefined ? {} : { authorizer }));
      handle({ topics }, exchange as never, services);
      return exchange;
    },
    /** Answers the oldest question. */
    answer: (producers: readonly Producer[], hasMore = false) => {
      const first = asked.shift();
      first?.waiter.onAnswer(first.tag, { refusal: null, producers, hasMore });
    },
  };
}

function of(name: string, ...partitionIndexes: number[]) {
  return { name, partitionIndexes };
}

function producer(producerId: number): Producer {
  return {
    producerId,
    producerEpoch: 3,
    lastSequence: 17,
    lastTimestamp: 1_700_000_000_123,
    coordinatorEpoch: 4,
    currentTxnStartOffset: 2 ** 40,
  };
}

function producers(first: number, count: number): Producer[] {
  return Array.from({ length: count }, (_, index) => producer(first + index));
}

function partsOf({ answer }: WireExchange<DescribeProducersResponse>) {
  return answer.topics.flatMap(({ partitions }) => partitions);
}

function codesAndCounts(exchange: WireExchange<DescribeProducersResponse>) {
  return partsOf(exchange).map(({ errorCode, activeProducers }) => [errorCode, activeProducers.length]);
}

Deno.test("DescribeProducers answers when every partition has answered, in the order of the request", () => {
  const { asked, ask } = scene();
  const exchange = ask(of("t", 2, 0), of("t", 1), of("t"));
  assert.deepEqual(asked.map(({ slot, ask }) => [slot, ask]), [[2, { above: -1 }], [0, { above: -1 }], [1, {
    above: -1,
  }]]);
  const [first, second, third] = asked;
  third?.waiter.onAnswer(third.tag, { refusal: null, producers: [], hasMore: false });
  second?.waiter.onAnswer(second.tag, { refusal: "not-leader-or-follower", producers: [], hasMore: false });
  assert.equal(exchange.isAnswered, false);
  first?.waiter.onAnswer(first.tag, { refusal: null, producers: [producer(2 ** 33)], hasMore: false });
  const part = { errorCode: 0, errorMessage: null, activeProducers: [] };
  assert.deepEqual(exchange.answer, {
    throttleTimeMs: 0,
    topics: [
      {
        name: "t",
        partitions: [
          { ...part, partitionIndex: 2, activeProducers: [producer(2 ** 33)] },
          { ...part, partitionIndex: 0, errorCode: errorCode.NOT_LEADER_OR_FOLLOWER },
        ],
      },
      { name: "t", partitions: [{ ...part, partitionIndex: 1 }] },
      { name: "t", partitions: [] },
    ],
  });
});

Deno.test("DescribeProducers refuses topics in Kafka's order: impossible names, topics that may not be read, unknown ones", () => {
  const questions: string[] = [];
  const authorizer: Authorizer = {
    allows: (_principal, operation, { type, name }) => {
      questions.push(`${operation} ${type} ${name}`);
      return name !== "secret";
    },
  };
  const { asked, ask, answer } = scene({ authorizer });
  const exchange = ask(of("a/b", 0), of("secret", 0, 1), of("nope", 0), of("t", 9, -1, 0));
  assert.equal(asked.length, 1);
  answer([producer(1)]);
  assert.ok(questions.includes("READ TOPIC secret"));
  const parts = partsOf(exchange).map(({ errorCode, errorMessage, activeProducers }) => {
    return [errorCode, errorMessage === null ? null : errorMessage !== "", activeProducers.length];
  });
  const UNKNOWN = errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  assert.deepEqual(parts, [
    [errorCode.INVALID_TOPIC_EXCEPTION, true, 0],
    [errorCode.TOPIC_AUTHORIZATION_FAILED, true, 0],
    [errorCode.TOPIC_AUTHORIZATION_FAILED, true, 0],
    [UNKNOWN, true, 0],
    [UNKNOWN, null, 0],
    [UNKNOWN, null, 0],
    [errorCode.NONE, null, 1],
  ]);
});

Deno.test("DescribeProducers asks for the rest of a long list, and only of the partitions that have more", () => {
  const { asked, ask, answer } = scene();
  const exchange = ask(of("t", 0, 1, 2));
  answer(producers(0, 1024), true);
  answer([producer(5)]);
  answer(producers(100, 1024), true);
  assert.deepEqual(asked.map(({ slot, ask }) => [slot, ask]), [[0, { above: 1023 }], [2, { above: 1123 }]]);
  answer(producers(1024, 1000));
  answer(producers(1124, 1024), true);
  assert.deepEqual(asked.map(({ slot, ask }) => [slot, ask]), [[2, { above: 2147 }]]);
  answer([]);
  assert.deepEqual(codesAndCounts(exchange), [[0, 2024], [0, 1], [0, 2048]]);
  const [first] = partsOf(exchange);
  assert.deepEqual(
    first?.activeProducers.map(({ producerId }) => producerId),
    producers(0, 2024).map(({ producerId }) => producerId),
  );
});

Deno.test("DescribeProducers refuses a partition as a whole when it is handed over before its list is complete", () => {
  const { asked, ask, answer } = scene();
  const exchange = ask(of("t", 0));
  answer(producers(0, 1024), true);
  const rest = asked.shift();
  rest?.waiter.onAnswer(rest.tag, { refusal: "not-leader-or-follower", producers: [], hasMore: false });
  assert.deepEqual(codesAndCounts(exchange), [[errorCode.NOT_LEADER_OR_FOLLOWER, 0]]);
});

Deno.test("DescribeProducers lists all that a log remembers, and refuses what does not fit until earlier answers are sent", () => {
  const { asked, ask, answer } = scene();
  // 100,000 producers are what a log remembers (PRODUCERS_MAX).
  const waiting = [0, 1, 2].map((index) => ask(of("t", index)));
  const part = 20_000;
  for (let round = 0; round < 5; round++) for (const _ of waiting) answer(producers(round * part, part), true);
  const refused = ask(of("t", 0, 1));
  const [full, empty] = asked.splice(3);
  full?.waiter.onAnswer(full.tag, { refusal: null, producers: producers(0, 3 * part), hasMore: true });
  empty?.waiter.onAnswer(empty.tag, { refusal: null, producers: [], hasMore: false });
  assert.deepEqual(codesAndCounts(refused), [[FULL, 0], [0, 0]]);
  assert.match(partsOf(refused)[0]?.errorMessage ?? "", /ask for fewer partitions/);
  for (const exchange of waiting) {
    answer([]);
    assert.deepEqual(codesAndCounts(exchange), [[0, 100_000]]);
  }
  const next = ask(of("t", 0));
  answer(producers(0, 5 * part));
  assert.deepEqual(codesAndCounts(next), [[0, 100_000]]);
});

Deno.test("DescribeProducers refuses the partitions for which an answer has no room", () => {
  const { ask, answer } = scene();
  const exchange = ask(of("t", 0, 1, 2));
  for (const count of [100_000, 20_000, 1000]) answer(producers(0, count));
  assert.deepEqual(codesAndCounts(exchange), [[0, 100_000], [FULL, 0], [0, 1000]]);
});

Deno.test("DescribeProducers asks a partition once, and answers it as often as it is named, unless that is much", () => {
  const { asked, ask, answer } = scene();
  const exchange = ask(of("t", 0, 1, 0), of("nope", 0, 0), of("t", 2, 2, 0, 1));
  assert.deepEqual(asked.map(({ slot }) => slot), [0, 1, 2]);
  for (const count of [300, 0, 2000]) answer(producers(0, count));
  const UNKNOWN = errorCode.UNKNOWN_TOPIC_OR_PARTITION;
  assert.deepEqual(codesAndCounts(exchange), [
    ...[[0, 300], [0, 0], [0, 300]],
    ...[[UNKNOWN, 0], [UNKNOWN, 0]],
    ...[[0, 2000], [FULL, 0], [FULL, 0], [0, 0]],
  ]);
});

Deno.test("DescribeProducers asks nothing more once its answer is full", () => {
  const { asked, ask, answer } = scene();
  const exchange = ask(of("t", 0, 1));
  answer(producers(0, 100_000), true);
  answer(producers(0, 400_000), true);
  assert.deepEqual([codesAndCounts(exchange), asked.length], [[[FULL, 0], [FULL, 0]], 0]);
});

Deno.test("DescribeProducers gives the memory back when the client disconnects, and asks nothing more", () => {
  const { asked, ask, answer } = scene();
  for (let client = 0; client < 3; client++) {
    const exchange = ask(of("t", 0, 1));
    answer(producers(0, 300_000), true);
    exchange.abandon();
    answer(producers(0, 300_000), true);
    assert.deepEqual([exchange.isAnswered, exchange.isEnded, asked.length], [false, true, 0]);
  }
});

Deno.test("DescribeProducers lists all producers of a log, of its own shard and of others", () => {
  using world = new TestShards(2);
  const topic = topicOn([0, 1], { config: { ...smallLogs, segmentBytes: 1 << 20 } });
  assert.deepEqual(world.apply(topic), []);
  const count = 2 * LISTED_PRODUCERS_MAX + 3;
  for (const partition of [0, 1]) {
    const answers = new Answers();
    for (let index = 0; index < count; index++) {
      const producer = { producerId: 10_000 - index, producerEpoch: 2, baseSequence: 5 };
      const batch = buildBatch([{ value: "a" }, { value: "b" }], { ...producer, baseTimestamp: 1000 + index });
      const place = { ...world.putBatch(partition, batch), acks: -1 };
      world.at(partition).partitions.append({ shard: partition, slot: partition }, place, answers, 0);
      world.at(partition).arena.release(place.start);
    }
    assert.ok(answers.appended.every(({ refusal }) => refusal === null));
  }
  const { services } = testServices([topic], { partitions: world.at(0).partitions });
  const exchange = new WireExchange<DescribeProducersResponse>(61, 0);
  describeProducersApi.handlerOf(services)({ topics: [of("t", 0, 1)] } as never, exchange as never, services);
  world.pump();
  const [own, other] = partsOf(exchange);
  const expected = Array.from({ length: count }, (_, index) => ({
    producerId: 10_000 - (count - 1) + index,
    producerEpoch: 2,
    lastSequence: 6,
    lastTimestamp: 1000 + (count - 1) - index,
    coordinatorEpoch: -1,
    currentTxnStartOffset: -1,
  }));
  assert.deepEqual(own?.activeProducers, expected);
  assert.deepEqual(other, { ...own, partitionIndex: 1 });
});

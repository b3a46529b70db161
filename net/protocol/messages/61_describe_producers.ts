/**
 * DescribeProducers, API key 61: what partitions know of their producers. Plain data. Source: Kafka 4.3 DescribeProducersRequest.json,
 * DescribeProducersResponse.json.
 *
 * v0 flexible (KIP-664).
 */
import { array, type Encodable, field, type Infer, int16, int32, int64, message, string, struct } from "../schema.ts";

/** The request. */
export const describeProducersRequest = message({ apiKey: 61, versions: "0", flexible: "0+" }, {
  topics: field(
    array(struct({
      name: field(string, "0+"),
      partitionIndexes: field(array(int32), "0+"),
    })),
    "0+",
  ),
});

const activeProducerFields = {
  producerId: field(int64, "0+"),
  producerEpoch: field(int32, "0+"),
  lastSequence: field(int32, "0+", { default: -1 }),
  lastTimestamp: field(int64, "0+", { default: -1 }),
  coordinatorEpoch: field(int32, "0+"),
  currentTxnStartOffset: field(int64, "0+", { default: -1 }),
};
const activeProducer = struct(activeProducerFields);

/** One producer, for a list that is encoded one producer at a time. */
export const activeProducerElement = message({ apiKey: 61, versions: "0", flexible: "0+" }, activeProducerFields);

const describeProducersTopic = struct({
  name: field(string, "0+"),
  partitions: field(
    array(struct({
      partitionIndex: field(int32, "0+"),
      errorCode: field(int16, "0+"),
      errorMessage: field(string, "0+", { nullable: "0+", default: null }),
      activeProducers: field(array(activeProducer), "0+"),
    })),
    "0+",
  ),
});

/** The response. */
export const describeProducersResponse = message({ apiKey: 61, versions: "0", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  topics: field(array(describeProducersTopic), "0+"),
});

/** What a client asks. */
export type DescribeProducersRequest = Infer<typeof describeProducersRequest>;
/** What the broker answers. */
export type DescribeProducersResponse = Encodable<typeof describeProducersResponse>;
/** One topic of the answer. */
export type DescribeProducersTopic = Encodable<typeof describeProducersTopic>;
/** One producer. */
export type ActiveProducer = Encodable<typeof activeProducer>;

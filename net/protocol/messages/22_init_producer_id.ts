/**
 * InitProducerId, API key 22: a producer id for an idempotent or transactional producer. Plain data. Source: Kafka 4.3
 * InitProducerIdRequest.json, InitProducerIdResponse.json.
 *
 * v0 (KIP-98) · v2 flexible (KIP-482) · v3 resume with id and epoch (KIP-360) · v4 PRODUCER_FENCED (KIP-588) · v5 TRANSACTION_ABORTABLE
 * (KIP-890). Kafka's v6 (KIP-939) is not stable and not supported here.
 */
import { type Encodable, field, type Infer, int16, int32, int64, message, string } from "../schema.ts";

/** The request, in all its versions. */
export const initProducerIdRequest = message({ apiKey: 22, versions: "0-5", flexible: "2+" }, {
  transactionalId: field(string, "0+", { nullable: "0+" }),
  transactionTimeoutMs: field(int32, "0+"),
  producerId: field(int64, "3+", { default: -1 }),
  producerEpoch: field(int16, "3+", { default: -1 }),
});

/** The response, in all its versions. */
export const initProducerIdResponse = message({ apiKey: 22, versions: "0-5", flexible: "2+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0, ignorable: true }),
  errorCode: field(int16, "0+"),
  producerId: field(int64, "0+", { default: -1 }),
  producerEpoch: field(int16, "0+"),
});

/** What a producer asks. */
export type InitProducerIdRequest = Infer<typeof initProducerIdRequest>;
/** What the broker answers. */
export type InitProducerIdResponse = Encodable<typeof initProducerIdResponse>;

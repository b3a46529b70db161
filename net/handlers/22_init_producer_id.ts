/**
 * InitProducerId, API key 22: assigns a producer id to an idempotent producer.
 *
 * v0 (KIP-98) · v2 flexible · v3 a producer may name its former id and epoch (KIP-360); without a transactional id it
 * gets a new one nevertheless, as in Kafka · v4, v5 further errors of transactions.
 *
 * A transactional id is refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, at which every client gives up at once. The
 * answer has no field for a reason. Clients get it before from FindCoordinator (10_find_coordinator.ts).
 *
 * Not done: transactions.
 */
import { api, type Handler } from "../requests/api.ts";
import { authorize, CLUSTER } from "../requests/authorization.ts";
import type { Exchange } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type InitProducerIdRequest,
  initProducerIdRequest,
  type InitProducerIdResponse,
  initProducerIdResponse,
} from "../protocol/messages/22_init_producer_id.ts";
import { ProducerIds } from "../requests/producer_ids.ts";

/** The row of InitProducerId. */
export const initProducerIdApi = api({
  key: 22,
  name: "InitProducerId",
  served: [0, 5],
  request: initProducerIdRequest,
  response: initProducerIdResponse,
  handlerOf: initProducerIdHandlerOf,
});

/** No producer id, no epoch (RecordBatch). */
const NONE = -1;

/** Makes the handler of one shard, which has its own producer ids. */
function initProducerIdHandlerOf(): Handler<InitProducerIdRequest, InitProducerIdResponse> {
  const ids = new ProducerIds();
  return (request, exchange, services) => {
    const refuse = (code: number) => exchange.respond({ errorCode: code, producerId: NONE, producerEpoch: NONE });
    const refusal = refusalOf(request, exchange);
    if (refusal !== errorCode.NONE) return refuse(refusal);
    ids.take(services.control, (id) => {
      // As Kafka's RPCProducerIdManager while it gets no block: clients ask again, so that a full disk ends no producer.
      if (typeof id !== "number") return refuse(errorCode.COORDINATOR_LOAD_IN_PROGRESS);
      exchange.respond({ errorCode: errorCode.NONE, producerId: id, producerEpoch: 0 });
    });
  };
}

function refusalOf(request: InitProducerIdRequest, { context }: Exchange<InitProducerIdResponse>): number {
  const { transactionalId, producerId, producerEpoch } = request;
  if (transactionalId === null) {
    if (!authorize(context, "IDEMPOTENT_WRITE", CLUSTER)) return errorCode.CLUSTER_AUTHORIZATION_FAILED;
  }
  if ((producerId === NONE) !== (producerEpoch === NONE) || transactionalId === "") return errorCode.INVALID_REQUEST;
  return transactionalId === null ? errorCode.NONE : errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

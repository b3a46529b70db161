/**
 * FindCoordinator, API key 10: names the coordinator of a group or a transaction. A group is coordinated by the broker that leads its
 * partition of `__consumer_offsets`. The first request for a group creates that topic.
 *
 * v0 groups · v1 key type, message · v3 flexible · v4 several keys (KIP-699) · v6 share groups (KIP-932).
 *
 * Transactional ids are refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED and a message with the reason. It is the only code at
 * which librdkafka and the Java client both give up at once. With any retriable code `initTransactions()` would hang until its
 * timeout.
 *
 * Not done: coordinators of transactions and share groups.
 */
import { OFFSETS_TOPIC, partitionOfKey } from "../../partitions/mod.ts";
import { MadeList } from "../protocol/made_list.ts";
import { plainConstructor } from "../protocol/plain_constructor.ts";
import { api } from "../requests/api.ts";
import { authorize } from "../requests/authorization.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import {
  type FindCoordinatorRequest,
  findCoordinatorRequest,
  type FindCoordinatorResponse,
  findCoordinatorResponse,
} from "../protocol/messages/10_find_coordinator.ts";

/** The row of FindCoordinator. */
export const findCoordinatorApi = api({
  key: 10,
  name: "FindCoordinator",
  served: [0, 6],
  request: findCoordinatorRequest,
  response: findCoordinatorResponse,
  elementsMax: 1 << 13, // keys
  isReadOnly: true,
  handle: handleFindCoordinator,
});

/** Message for clients that want transactions. */
export const NO_TRANSACTIONS = "Transactions are not supported by this broker yet";

/** Kafka's message when there is no error, in versions that have a message then. */
const NO_ERROR = "NONE";

/** Address when there is no coordinator. */
const NO_ADDRESS = { nodeId: -1, host: "", port: -1 } as const;

/** Kinds of key. */
const keyTypes = { group: 0, transaction: 1, share: 2 } as const;
/** First version that takes several keys. */
const BATCH_VERSION = 4;
/** First version that knows share groups. */
const SHARE_VERSION = 6;

/** Handles FindCoordinator. */
export function handleFindCoordinator(
  request: FindCoordinatorRequest,
  exchange: Exchange<FindCoordinatorResponse>,
  services: ShardServices,
): void {
  const { apiVersion } = exchange;
  const { key, keyType, coordinatorKeys } = request;
  const keys = apiVersion < BATCH_VERSION ? [key] : coordinatorKeys;
  const answer = () => {
    const coordinators = MadeList.from(keys, (one) => coordinatorOf({ key: one, keyType }, exchange, services));
    if (apiVersion >= BATCH_VERSION) return exchange.respond({ coordinators: coordinators.asArray });
    const first = coordinators.at(0);
    exchange.respond({ ...first, errorMessage: first.errorMessage || NO_ERROR });
  };
  const isMissing = keyType === keyTypes.group && services.image.topic(OFFSETS_TOPIC) === undefined;
  if (!isMissing || !keys.some((one) => refuse({ key: one, keyType }, exchange) === errorCode.NONE)) return answer();
  // If it fails, the answer is that there is no coordinator, and the client asks again.
  services.control.call("autoCreateTopics", { names: [OFFSETS_TOPIC] }, answer);
}

/** One key's part of the answer. */
interface CoordinatorAnswer {
  readonly key: string;
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly errorCode: number;
  readonly errorMessage: string;
}

/** One for each key of a request, so it is not made by a literal (plain_constructor.ts). */
const Answer = plainConstructor<CoordinatorAnswer>()("key", "nodeId", "host", "port", "errorCode", "errorMessage");

/** One key's part of the answer. */
function coordinatorOf(
  asked: { key: string; keyType: number },
  exchange: Exchange<FindCoordinatorResponse>,
  { image, cluster }: ShardServices,
): CoordinatorAnswer {
  const partitions = image.topic(OFFSETS_TOPIC)?.partitions ?? [];
  const leader = partitions[partitionOfKey(asked.key, partitions.length)]?.leader;
  const refusal = refuse(asked, exchange);
  const address = leader === undefined ? null : cluster.addressOf(leader, exchange.context);
  const code = refusal === errorCode.NONE && address === null ? errorCode.COORDINATOR_NOT_AVAILABLE : refusal;
  const message = code === errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED ? NO_TRANSACTIONS : errorMessage(code);
  const { nodeId, host, port } = (code === errorCode.NONE ? address : null) ?? NO_ADDRESS;
  return new Answer(asked.key, nodeId, host, port, code, message);
}

function refuse(
  { key, keyType }: { key: string; keyType: number },
  { context, apiVersion }: Exchange<FindCoordinatorResponse>,
): number {
  switch (keyType) {
    case keyTypes.group:
      return authorize(context, "DESCRIBE", { type: "GROUP", name: key })
        ? errorCode.NONE
        : errorCode.GROUP_AUTHORIZATION_FAILED;
    case keyTypes.transaction:
      return errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    case keyTypes.share:
      return apiVersion < SHARE_VERSION ? errorCode.INVALID_REQUEST : errorCode.COORDINATOR_NOT_AVAILABLE;
    default:
      return errorCode.INVALID_REQUEST;
  }
}

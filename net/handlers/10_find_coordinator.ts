/**
 * FindCoordinator, API key 10: who coordinates a group or a transaction. Nobody does yet, and it is served all the same:
 * librdkafka takes its presence for support of lz4.
 *
 * v0 groups · v1 key type, message · v3 flexible · v4 several keys (KIP-699) · v6 share groups (KIP-932).
 *
 * Groups are COORDINATOR_NOT_AVAILABLE, after which clients try again. Transactional ids are refused with
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED and a message that says why: it is the only code at which librdkafka and the
 * Java client both give up at once; with any retriable one `initTransactions()` would hang until its timeout.
 *
 * Not done: coordinators.
 */
import { authorize } from "../authorization.ts";
import type { ConnectionContext, Exchange, ShardServices } from "../handler.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import type { FindCoordinatorRequest, FindCoordinatorResponse } from "../protocol/messages/10_find_coordinator.ts";
import { charge } from "../quota.ts";

/** What clients are told about transactions. */
export const NO_TRANSACTIONS = "Transactions are not supported by this broker yet";

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
  _services: ShardServices,
): void {
  const { context, apiVersion } = exchange;
  const throttleTimeMs = charge(context, "request", 1);
  const coordinatorOf = (key: string) => {
    const refusal = refuse({ key, keyType: request.keyType, apiVersion }, context);
    const message = refusal === errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
      ? NO_TRANSACTIONS
      : errorMessage(refusal);
    return { nodeId: -1, host: "", port: -1, errorCode: refusal, errorMessage: message };
  };
  if (apiVersion < BATCH_VERSION) return exchange.respond({ throttleTimeMs, ...coordinatorOf(request.key) });
  const coordinators = request.coordinatorKeys.map((key) => ({ key, ...coordinatorOf(key) }));
  exchange.respond({ throttleTimeMs, coordinators });
}

function refuse(
  { key, keyType, apiVersion }: { key: string; keyType: number; apiVersion: number },
  context: ConnectionContext,
): number {
  switch (keyType) {
    case keyTypes.group:
      return authorize(context, "DESCRIBE", { type: "GROUP", name: key })
        ? errorCode.COORDINATOR_NOT_AVAILABLE
        : errorCode.GROUP_AUTHORIZATION_FAILED;
    case keyTypes.transaction:
      return errorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    case keyTypes.share:
      return apiVersion < SHARE_VERSION ? errorCode.INVALID_REQUEST : errorCode.COORDINATOR_NOT_AVAILABLE;
    default:
      return errorCode.INVALID_REQUEST;
  }
}

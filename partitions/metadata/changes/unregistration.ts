/**
 * Which brokers an administrator may have forgotten (UnregisterBroker, KIP-631): those that are registered, and fenced. Pure; the main isolate.
 *
 * Kafka forgets a running broker, too, whose process then registers again by itself. Here it is refused: the process would have to end, and what
 * it leads would be without a leader meanwhile. Partitions keep the replicas that they have on a forgotten broker, as in Kafka.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { BrokerImage } from "../image.ts";
import type { CreationRefusal } from "../topic_creation.ts";

/** Why a broker is not forgotten; null if it may be. @param image of that broker, undefined where none is registered */
export function refuseUnregistration(
  broker: number,
  image: Pick<BrokerImage, "state"> | undefined,
): CreationRefusal | null {
  if (image === undefined) {
    const errorMessage = `Broker ID ${broker} is not currently registered`;
    return { errorCode: errorCode.BROKER_ID_NOT_REGISTERED, errorMessage };
  }
  if (image.state === "fenced") return null;
  return {
    errorCode: errorCode.INVALID_REQUEST,
    errorMessage: `Broker ${broker} is running: stop it first, and unregister it when it is fenced`,
  };
}

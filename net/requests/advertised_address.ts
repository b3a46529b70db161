/**
 * The address that clients are told to connect to. Runs on shards.
 *
 * Without `advertised.listeners` it is the broker's own end of the client's connection, which is right on any network card, and
 * through whatever forwards connections without changing host and port; with it, the one advertised for the client's listener. A
 * listener that is not advertised falls back to the broker's end (Kafka would name no broker at all).
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { ConnectionContext } from "./handler.ts";

/** This broker as a client of this connection should see it. */
export function advertisedAddress(
  context: ConnectionContext,
  config: Pick<BrokerConfig, "advertisedListeners">,
): { host: string; port: number } {
  const advertised = config.advertisedListeners?.find(({ name }) => name === context.listenerName);
  const port = advertised?.port ?? 0;
  // An advertised port of 0 stands for the port that the system chose.
  return { host: advertised?.host ?? context.localHost, port: port === 0 ? context.localPort : port };
}

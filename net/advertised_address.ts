/**
 * The address that clients are told to connect to. Runs on shards.
 *
 * Without `advertised.listeners` it is the one the client connected to, which works through port forwarding and on any
 * network card; with it, the one advertised for the client's listener. A listener that is not advertised falls back to
 * the address connected to (Kafka would name no broker at all).
 */
import type { BrokerConfig } from "../partitions/config/broker_config.ts";
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

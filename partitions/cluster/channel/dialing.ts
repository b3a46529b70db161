/**
 * Makes connections to other brokers that others use: connects, logs in, and gives the socket away. The main isolate.
 *
 * The other side sends nothing after the login until it is asked for something, so nothing is lost when the socket changes its owner.
 */
import { brokerUserName } from "../../authentication/broker_users.ts";
import { SaltedSecret } from "../../authentication/salted_secret.ts";
import { ChannelRefused } from "../broker_channel.ts";
import type { Endpoint } from "../membership/endpoints.ts";
import { systemTime } from "../membership/membership_time.ts";
import { BrokerConnection } from "./broker_connection.ts";
import { logIn } from "./broker_login.ts";
import type { ChannelOptions } from "./network_channel.ts";

/**
 * Connects and logs in. Settles with a socket that the caller owns.
 * @param signal ends the attempt @throws ChannelRefused
 */
export type Dial = (endpoint: Endpoint, signal: AbortSignal) => Promise<Deno.TcpConn>;

/** Makes connections for a broker. They salt the secret once for each process that they connect to. */
export function brokerDial(options: ChannelOptions): Dial {
  const { nodeId, timeoutMs, time = systemTime } = options;
  const secret = new SaltedSecret(options.secret);
  return async (endpoint, signal) => {
    const late = new AbortController();
    const cancel = time.after(timeoutMs, () => late.abort());
    let connection: BrokerConnection | null = null;
    const ended = AbortSignal.any([signal, late.signal]);
    const onEnded = () => connection?.end("late", `connecting has taken more than ${timeoutMs} ms, or is not wanted`);
    ended.addEventListener("abort", onEnded);
    try {
      const socket = await Deno.connect({ hostname: endpoint.host, port: endpoint.port, signal: ended });
      connection = new BrokerConnection(socket, endpoint, { timeoutMs, time, clientId: brokerUserName(nodeId) });
      if (ended.aborted) throw onEnded();
      await logIn(connection, { nodeId, secret });
      return connection.release();
    } catch (error) {
      throw refusalOf(error, endpoint, ended);
    } finally {
      cancel();
      ended.removeEventListener("abort", onEnded);
    }
  };
}

function refusalOf(error: unknown, { host, port }: Endpoint, ended: AbortSignal): ChannelRefused {
  if (error instanceof ChannelRefused) return error;
  const where = `Broker at ${host}:${port}`;
  if (error instanceof Deno.errors.ConnectionRefused) return new ChannelRefused("refused", `${where}: nobody listens`);
  if (ended.aborted) return new ChannelRefused("late", `${where}: it has not accepted the connection`);
  return new ChannelRefused("lost", `${where}: cannot connect: ${error instanceof Error ? error.message : error}`);
}

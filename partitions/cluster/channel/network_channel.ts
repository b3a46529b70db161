/**
 * The channel to another broker over the network: connects and logs in when a request needs it, and tells apart how requests fail. The main
 * isolate.
 *
 * ```
 *   no connection ──a request──► connecting ──TCP──► logging in ──► ready ──ended──► no connection
 *                                 refused ◄─┘
 *   ended with requests without an answer ──► connecting: refused? then the process is gone, and they are refused, too
 * ```
 *
 * A connection that was reset says little: the other side may have closed it. Only a refusal of the next one says that the process is gone.
 */
import { brokerHeartbeatRequest, brokerHeartbeatResponse } from "../../../net/protocol/messages/63_broker_heartbeat.ts";
import {
  brokerRegistrationRequest,
  brokerRegistrationResponse,
} from "../../../net/protocol/messages/62_broker_registration.ts";
import { SaltedSecret } from "../../authentication/salted_secret.ts";
import { brokerUserName } from "../../authentication/broker_users.ts";
import { type BrokerChannel, ChannelRefused } from "../broker_channel.ts";
import type { Heartbeat } from "../controller_state.ts";
import type { BrokerRegistration, HeartbeatAnswer, RegistrationAnswer } from "../membership_calls.ts";
import type { Endpoint } from "../membership/endpoints.ts";
import { type MembershipTime, systemTime } from "../membership/membership_time.ts";
import { BrokerConnection, type Call } from "./broker_connection.ts";
import { logIn } from "./broker_login.ts";

const REGISTER = {
  name: "BrokerRegistration",
  version: 4,
  request: brokerRegistrationRequest,
  response: brokerRegistrationResponse,
};
const HEARTBEAT = {
  name: "BrokerHeartbeat",
  version: 2,
  request: brokerHeartbeatRequest,
  response: brokerHeartbeatResponse,
};
const CLOSED = "the channel was closed";
/** Kafka's number of the protocol of all listeners (SecurityProtocol). */
const PLAINTEXT = 0;

/** What all channels of a broker share. */
export interface ChannelOptions {
  /** Node id of this broker. */
  readonly nodeId: number;
  /** The cluster's secret. */
  readonly secret: string;
  /** How long a connection with its login may take, and how long an answer. */
  readonly timeoutMs: number;
  readonly time?: Pick<MembershipTime, "after">;
}

/** Makes the channels of a broker. They salt the secret once for each process that they connect to. */
export function brokerChannels(options: ChannelOptions): (endpoint: Endpoint, lost: () => void) => BrokerChannel {
  const parts = { time: systemTime, ...options, secret: new SaltedSecret(options.secret) };
  return (endpoint, lost) => new NetworkChannel(endpoint, { ...parts, lost });
}

interface ChannelParts extends Omit<ChannelOptions, "secret"> {
  readonly secret: SaltedSecret;
  readonly time: Pick<MembershipTime, "after">;
  /** A connection has ended that the channel did not end itself. */
  readonly lost: () => void;
}

/** One attempt, and what has come of it. */
interface Attempt {
  readonly abort: AbortController;
  /** Settles when the other side has accepted the TCP connection. */
  readonly accepted: Promise<BrokerConnection>;
  /** Settles after the login. */
  readonly ready: Promise<BrokerConnection>;
}

class NetworkChannel implements BrokerChannel {
  readonly #endpoint: Endpoint;
  readonly #parts: ChannelParts;
  #attempt: Attempt | null = null;
  #connection: BrokerConnection | null = null;
  #isClosed = false;

  constructor(endpoint: Endpoint, parts: ChannelParts) {
    this.#endpoint = endpoint;
    this.#parts = parts;
  }

  async register(registration: BrokerRegistration): Promise<RegistrationAnswer> {
    const { errorCode, brokerEpoch } = await this.#ask(REGISTER, {
      brokerId: registration.broker,
      clusterId: registration.clusterId,
      incarnationId: registration.incarnation,
      listeners: registration.listeners.map((listener) => ({ ...listener, securityProtocol: PLAINTEXT })),
      features: [],
      rack: registration.rack,
      logDirs: registration.directories,
      previousBrokerEpoch: registration.cleanEpoch,
      knownBrokerEpoch: registration.knownEpoch,
      directoryId: registration.directoryId,
      shards: registration.shards,
      softwareVersion: registration.version,
    });
    return { errorCode, brokerEpoch };
  }

  async heartbeat({ broker, brokerEpoch, revision, wantsStop }: Heartbeat): Promise<HeartbeatAnswer> {
    const answer = await this.#ask(HEARTBEAT, {
      brokerId: broker,
      brokerEpoch,
      currentMetadataOffset: revision,
      wantFence: false,
      wantShutDown: wantsStop,
    });
    return { errorCode: answer.errorCode, isFenced: answer.isFenced, shouldStop: answer.shouldShutDown };
  }

  close(): void {
    this.#isClosed = true;
    if (this.#connection === null) this.#attempt?.abort.abort();
    else this.#connection.end("lost", CLOSED);
    this.#attempt = null;
  }

  async #ask<Request, Response>(call: Call<Request, Response>, body: Request): Promise<Response> {
    const connection = await this.#begin().ready;
    try {
      return await connection.request(call, body);
    } catch (error) {
      if (error instanceof ChannelRefused && error.kind === "lost") await this.#knock();
      throw error;
    }
  }

  /** @throws ChannelRefused when nobody listens any more */
  async #knock(): Promise<void> {
    try {
      await this.#begin().accepted;
    } catch (error) {
      if (error instanceof ChannelRefused && error.kind !== "refused") return;
      throw error;
    }
  }

  /** The connection that is open, or an attempt to open one. */
  #begin(): Attempt {
    if (this.#isClosed) return failed(this.#refusal("lost", CLOSED));
    if (this.#attempt !== null && this.#connection?.hasEnded !== true) return this.#attempt;
    const abort = new AbortController();
    this.#connection = null;
    const accepted = this.#connect(abort.signal);
    const attempt = this.#attempt = { abort, accepted, ready: this.#logIn(accepted, abort) };
    attempt.ready.catch(() => { // whoever asked has it, too
      if (this.#attempt === attempt) this.#attempt = null;
    });
    return attempt;
  }

  async #connect(signal: AbortSignal): Promise<BrokerConnection> {
    const { host, port } = this.#endpoint;
    const { nodeId, timeoutMs, time, lost } = this.#parts;
    try {
      const socket = await Deno.connect({ hostname: host, port, signal });
      const connection = new BrokerConnection(socket, this.#endpoint, {
        timeoutMs,
        time,
        clientId: brokerUserName(nodeId),
        onLost: lost,
      });
      if (!signal.aborted) return this.#connection = connection;
      connection.end("lost", CLOSED);
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) throw this.#refusal("refused", "nobody listens");
      if (!signal.aborted) {
        throw this.#refusal("lost", `cannot connect: ${error instanceof Error ? error.message : error}`);
      }
    }
    throw this.#isClosed ? this.#refusal("lost", CLOSED) : this.#refusal("late", "it has not accepted the connection");
  }

  async #logIn(accepted: Promise<BrokerConnection>, abort: AbortController): Promise<BrokerConnection> {
    const { timeoutMs, time } = this.#parts;
    let connection: BrokerConnection | null = null;
    const cancel = time.after(timeoutMs, () => {
      if (connection === null) abort.abort();
      else connection.end("late", `the login has taken more than ${timeoutMs} ms`);
    });
    try {
      connection = await accepted;
      await logIn(connection, this.#parts);
      return connection;
    } finally {
      cancel();
    }
  }

  #refusal(kind: "refused" | "lost" | "late", why: string): ChannelRefused {
    return new ChannelRefused(kind, `Broker at ${this.#endpoint.host}:${this.#endpoint.port}: ${why}`);
  }
}

function failed(reason: ChannelRefused): Attempt {
  const ready = Promise.reject<BrokerConnection>(reason);
  return { abort: new AbortController(), accepted: ready, ready };
}

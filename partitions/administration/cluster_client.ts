/**
 * A client of a running cluster for commands: any of its brokers answers, and when one goes away, the next one is asked. Main isolate of a
 * process without a broker.
 *
 * Always: only what may be asked twice is asked, because a request whose answer is lost is sent again.
 */
import { ChannelRefused } from "../cluster/broker_channel.ts";
import { BrokerConnection, type Call } from "../cluster/channel/broker_connection.ts";
import { type MembershipTime, pauseFor } from "../cluster/membership/membership_time.ts";
import type { ServerAddress } from "../config/command_line/raise_options.ts";

/** How long a connection, and an answer, may take: a change of a large cluster takes seconds. */
const TIMEOUT_MS = 60_000;
/** Pause after each round over all brokers. */
const RETRY_MS = 500;
/** Rounds over all brokers before a request fails. */
const ROUNDS_MAX = 5;
/** Longest answer, in bytes: what the brokers encode at most. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const CLIENT_ID = "barnabas-cluster";

/** The client. Disposal closes its connection. */
export class ClusterClient implements Disposable {
  readonly #servers: readonly ServerAddress[];
  readonly #time: MembershipTime;
  #connection: BrokerConnection | null = null;
  #next = 0;

  /** It connects with the first request. @param servers brokers, tried in turn; at least one */
  constructor(servers: readonly ServerAddress[], time: MembershipTime) {
    this.#servers = servers;
    this.#time = time;
  }

  /** Asks. @throws ChannelRefused when no broker answers */
  async ask<Request, Response>(call: Call<Request, Response>, body: Request): Promise<Response> {
    for (let tries = 1;; tries++) {
      try {
        return await (await this.#connected()).request(call, body);
      } catch (error) {
        if (!(error instanceof ChannelRefused)) throw error;
        this[Symbol.dispose]();
        if (tries >= ROUNDS_MAX * this.#servers.length) throw error;
        if (tries % this.#servers.length === 0) await pauseFor(this.#time, RETRY_MS);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#connection?.end("lost", "the command closes it");
    this.#connection = null;
  }

  async #connected(): Promise<BrokerConnection> {
    if (this.#connection?.hasEnded === false) return this.#connection;
    const server = this.#servers[this.#next++ % this.#servers.length] as ServerAddress;
    const { host: hostname, port } = server;
    const late = new AbortController();
    const cancel = this.#time.after(TIMEOUT_MS, () => late.abort());
    try {
      const socket = await Deno.connect({ hostname, port, signal: late.signal });
      const options = {
        timeoutMs: TIMEOUT_MS,
        time: this.#time,
        clientId: CLIENT_ID,
        answerBytesMax: ANSWER_BYTES_MAX,
      };
      return this.#connection = new BrokerConnection(socket, server, options);
    } catch (error) {
      const why = error instanceof Deno.errors.ConnectionRefused
        ? "nobody listens"
        : error instanceof Error
        ? error.message
        : String(error);
      throw new ChannelRefused("lost", `Broker at ${hostname}:${port}: cannot connect: ${why}`);
    } finally {
      cancel();
    }
  }
}

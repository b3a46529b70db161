/**
 * The other side of a channel for tests: a server of which the test decides every byte, and time that passes when the test says so. Tests only.
 */
import assert from "node:assert/strict";
import { decodeRequestHeader, type RequestHeader } from "../../../net/protocol/headers.ts";
import { saslHandshakeRequest, saslHandshakeResponse } from "../../../net/protocol/messages/17_sasl_handshake.ts";
import {
  saslAuthenticateRequest,
  saslAuthenticateResponse,
} from "../../../net/protocol/messages/36_sasl_authenticate.ts";
import { brokerRegistrationRequest } from "../../../net/protocol/messages/62_broker_registration.ts";
import { brokerHeartbeatRequest, brokerHeartbeatResponse } from "../../../net/protocol/messages/63_broker_heartbeat.ts";
import { Reader } from "../../../net/protocol/reader.ts";
import type { Message } from "../../../net/protocol/schema.ts";
import { ScramServer } from "../../../net/protocol/scram/scram.ts";
import { answerFrameOf } from "../../../tests/kafka_client.ts";
import { brokerCredential } from "../../authentication/salted_secret.ts";
import { scramNonce, sha256 } from "../../authentication/scram_sha256.ts";
import type { BrokerChannel } from "../broker_channel.ts";
import { brokerChannels } from "./network_channel.ts";

/** What the brokers of these tests share. */
export const SECRET = "what the brokers of a test share";

const requests: ReadonlyMap<number, Message> = new Map(
  [saslHandshakeRequest, saslAuthenticateRequest, brokerRegistrationRequest, brokerHeartbeatRequest]
    .map((message) => [message.apiKey, message as Message]),
);

/** A request as the server got it. */
export interface Received {
  readonly header: RequestHeader;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One connection on the server's side. */
export class Peer {
  readonly #socket: Deno.TcpConn;
  #bytes = new Uint8Array(0);

  constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  /** The next request; null when the client has closed the connection. */
  async receive(): Promise<Received | null> {
    while (true) {
      const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
      const size = this.#bytes.length < 4 ? Infinity : view.getInt32(0);
      if (this.#bytes.length >= 4 + size) {
        const frame = this.#bytes.slice(4, 4 + size);
        this.#bytes = this.#bytes.slice(4 + size);
        return decoded(frame);
      }
      const buffer = new Uint8Array(4096);
      const count = await this.#socket.read(buffer).catch(() => null);
      if (count === null) return null;
      this.#bytes = new Uint8Array([...this.#bytes, ...buffer.subarray(0, count)]);
    }
  }

  /** Receives a request that has to come. */
  async expect(): Promise<Received> {
    const received = await this.receive();
    assert.ok(received !== null, "the client sends a request");
    return received;
  }

  /** Sends bytes as they are. */
  async send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#socket.write(bytes.subarray(sent));
  }

  /** Answers a request. */
  answer(to: Received, message: Message, body: Record<string, unknown>): Promise<void> {
    return this.send(answerFrameOf(message, to.header, body));
  }

  /** Lets the client log in, as a broker with the secret does. */
  async logIn(secret = SECRET): Promise<void> {
    const credential = await brokerCredential(secret);
    const server = new ScramServer({ hash: sha256, nonce: scramNonce(), credentialOf: () => credential });
    const handshake = await this.expect();
    await this.answer(handshake, saslHandshakeResponse as Message, { errorCode: 0, mechanisms: ["SCRAM-SHA-256"] });
    for (const step of ["challenge", "finish"] as const) {
      const received = await this.expect();
      const token = server[step](received.body.authBytes as Uint8Array);
      const code = token === null ? 58 : 0;
      const body = { errorCode: code, errorMessage: null, authBytes: token ?? new Uint8Array(0) };
      await this.answer(received, saslAuthenticateResponse as Message, body);
      if (token === null) throw new Error("the login has failed");
    }
  }

  /** Ends its side of the connection. */
  closeWrite(): Promise<void> {
    return this.#socket.closeWrite();
  }

  /** Closes the connection. */
  close(): void {
    this.#socket.close();
  }
}

/** The frame of an answer to a heartbeat. */
export function heartbeatAnswer(to: Received, answer: { errorCode?: number } = {}): Uint8Array<ArrayBuffer> {
  const { errorCode = 0 } = answer;
  const body = { errorCode, isCaughtUp: true, isFenced: false, shouldShutDown: false };
  return answerFrameOf(brokerHeartbeatResponse as Message, to.header, body);
}

function decoded(frame: Uint8Array): Received {
  const reader = new Reader(frame);
  const header = decodeRequestHeader(reader, (key) => requests.get(key));
  const message = requests.get(header.apiKey);
  assert.ok(message !== undefined, `API ${header.apiKey} is known`);
  const body = message.decode(reader, header.apiVersion) as Received["body"];
  assert.deepEqual([reader.failure, reader.remaining], [null, 0]);
  return { header, body };
}

/** A server, and a channel to it. */
export class ChannelFixture implements AsyncDisposable {
  readonly channel: BrokerChannel;
  readonly endpoint: { readonly host: string; readonly port: number };
  /** Waits of the channel for its time; `late()` ends them. */
  readonly waits = new Map<number, () => void>();
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #sockets: Deno.TcpConn[] = [];
  /** Connections that have ended, and not by the channel. */
  lostCount = 0;
  #nextWait = 1;

  constructor(secret = SECRET) {
    const after = (_ms: number, callback: () => void) => {
      const id = this.#nextWait++;
      this.waits.set(id, callback);
      return () => void this.waits.delete(id);
    };
    const { port } = this.#listener.addr;
    this.endpoint = { host: "127.0.0.1", port };
    this.channel = brokerChannels({ nodeId: 7, secret, timeoutMs: 1000, time: { after } })(
      this.endpoint,
      () => this.lostCount++,
    );
  }

  /** The next connection of the channel. */
  async accept(): Promise<Peer> {
    const socket = await this.#listener.accept();
    this.#sockets.push(socket);
    return new Peer(socket);
  }

  /** The next connection, after its login. */
  async member(): Promise<Peer> {
    const peer = await this.accept();
    await peer.logIn();
    return peer;
  }

  /** The time of all that the channel waits for is over. */
  late(): void {
    const waits = [...this.waits.values()];
    this.waits.clear();
    for (const wait of waits) wait();
  }

  /** Nobody listens any more. */
  stopListening(): void {
    this.#listener.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.channel.close();
    for (const close of [this.#listener, ...this.#sockets]) closeOnce(close);
    return Promise.resolve();
  }
}

function closeOnce(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/**
 * One TCP connection to another broker, as its client: requests leave in order and may overtake nothing; answers are matched by their
 * correlation id. The main isolate.
 *
 * Always: the connection ends once, and then every request without an answer is rejected with the reason. The other side may be anybody, and
 * send anything: an answer that is too large, to no request, or cannot be decoded ends the connection, and no more than one
 * answer is kept. An answer that does not come in time ends it, too, because those behind it cannot come either.
 */
import { decodeResponseHeader, encodeRequestHeader, type RequestHeader } from "../../../net/protocol/headers.ts";
import { Reader } from "../../../net/protocol/reader.ts";
import type { Message } from "../../../net/protocol/schema.ts";
import { Writer } from "../../../net/protocol/writer.ts";
import { type ChannelFailure, ChannelRefused } from "../broker_channel.ts";
import type { Endpoint } from "../membership/endpoints.ts";
import type { MembershipTime } from "../membership/membership_time.ts";
import { AnswerFrames } from "./answer_frames.ts";

/** Requests that may wait for their answers; further ones are late at once. */
export const REQUESTS_IN_FLIGHT_MAX = 64;

const SIZE_BYTES = 4;
const ID_BYTES = 4;
const READ_BYTES = 4096;

/** A request and its answer, in one version. */
export interface Call<Request, Response> {
  readonly name: string;
  readonly version: number;
  readonly request: Message<unknown, Request>;
  readonly response: Message<Response, unknown>;
}

/** How a connection behaves. */
export interface ConnectionOptions {
  /** How long an answer may take. */
  readonly timeoutMs: number;
  readonly time: Pick<MembershipTime, "after">;
  readonly clientId: string;
  /** Longest answer, in bytes; one for brokers by default. */
  readonly answerBytesMax?: number;
  /** The other side, or the network, has ended the connection. */
  readonly onLost?: () => void;
}

interface Waiting {
  receive(answer: Reader): void;
  refuse(reason: ChannelRefused): void;
  /** Ends the wait for the time. */
  readonly cancel: () => void;
}

/** The connection. */
export class BrokerConnection {
  readonly #socket: Deno.TcpConn;
  readonly #endpoint: Endpoint;
  readonly #options: ConnectionOptions;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #writing: Promise<void> = Promise.resolve();
  #ended: ChannelRefused | null = null;

  /** @param socket owned by the connection from now on */
  constructor(socket: Deno.TcpConn, endpoint: Endpoint, options: ConnectionOptions) {
    this.#socket = socket;
    this.#endpoint = endpoint;
    this.#options = options;
    socket.setNoDelay(true);
    void this.#read();
  }

  /** Whether it can be used no more. */
  get hasEnded(): boolean {
    return this.#ended !== null;
  }

  /**
   * Sends a request. Settles with its answer.
   * @throws ChannelRefused when the connection ends before @throws EncodeError for a value that the message cannot carry
   */
  request<Request, Response>(call: Call<Request, Response>, body: Request): Promise<Response> {
    const { timeoutMs, time, clientId } = this.#options;
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (this.#waiting.size >= REQUESTS_IN_FLIGHT_MAX) {
      return Promise.reject(this.#refusal("late", `${REQUESTS_IN_FLIGHT_MAX} requests have no answer yet`));
    }
    const id = this.#lastId = (this.#lastId + 1) & 0x7fff_ffff;
    const frame = frameOf(call, body, { apiVersion: call.version, correlationId: id, clientId });
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const late = () => this.end("late", `${call.name} was not answered within ${timeoutMs} ms`);
    this.#waiting.set(id, {
      receive: (answer) => {
        decodeResponseHeader(answer, call.response, call.version);
        const decoded = call.response.decode(answer, call.version);
        if (answer.failure === null && answer.remaining === 0) resolve(decoded);
        else {
          reject(
            this.end("lost", `the answer to ${call.name} cannot be decoded: ${answer.failure ?? "it is too long"}`),
          );
        }
      },
      refuse: reject,
      cancel: time.after(timeoutMs, late),
    });
    this.#writing = this.#writing.then(() => this.#write(frame));
    return promise;
  }

  /** Ends the connection, unless it has ended. @returns why it has ended */
  end(kind: Exclude<ChannelFailure, "refused">, why: string): ChannelRefused {
    if (this.#ended !== null) return this.#ended;
    const reason = this.#ended = this.#refusal(kind, why);
    this.#socket.close();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { refuse, cancel } of waiting) {
      cancel();
      refuse(reason);
    }
    return reason;
  }

  /** Gives the socket away, while no request is under way. The new owner closes it; what it receives until then is dropped. */
  release(): Deno.TcpConn {
    this.#ended ??= this.#refusal("lost", "it was handed over");
    return this.#socket;
  }

  #refusal(kind: Exclude<ChannelFailure, "refused">, why: string): ChannelRefused {
    const { host, port } = this.#endpoint;
    return new ChannelRefused(kind, `Broker at ${host}:${port}: ${why}`);
  }

  async #write(frame: Uint8Array): Promise<void> {
    try {
      for (let sent = 0; sent < frame.length && this.#ended === null;) {
        sent += await this.#socket.write(frame.subarray(sent));
      }
    } catch (error) {
      this.end("lost", `cannot send: ${textOf(error)}`);
    }
  }

  async #read(): Promise<void> {
    const answers = new AnswerFrames(this.#options.answerBytesMax);
    const buffer = new Uint8Array(READ_BYTES);
    try {
      while (this.#ended === null) {
        const count = await this.#socket.read(buffer);
        if (count === null) this.#lost("it has closed the connection");
        else this.#receive(answers, buffer.subarray(0, count));
      }
    } catch (error) {
      this.#lost(`cannot receive: ${textOf(error)}`);
    }
  }

  #lost(why: string): void {
    const hadEnded = this.hasEnded;
    this.end("lost", why);
    if (!hadEnded) this.#options.onLost?.();
  }

  #receive(answers: AnswerFrames, bytes: Uint8Array): void {
    answers.add(bytes);
    for (let answer = answers.next(); answer !== null && this.#ended === null; answer = answers.next()) {
      if (typeof answer === "number") this.end("lost", `an answer of ${answer} bytes`);
      else this.#answered(answer);
    }
  }

  #answered(answer: Uint8Array): void {
    const reader = new Reader(answer);
    const id = answer.length < ID_BYTES ? -1 : new DataView(answer.buffer, answer.byteOffset).getInt32(0);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return void this.end("lost", "an answer to no request");
    this.#waiting.delete(id);
    waiting.cancel();
    waiting.receive(reader);
  }
}

function frameOf<Request, Response>(
  { request, version }: Call<Request, Response>,
  body: Request,
  header: Omit<RequestHeader, "apiKey">,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.int32(0);
  encodeRequestHeader(writer, request, header);
  request.encode(writer, version, body);
  const frame = writer.toBytes();
  new DataView(frame.buffer).setInt32(0, frame.length - SIZE_BYTES);
  return frame;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

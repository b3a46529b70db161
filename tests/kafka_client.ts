/**
 * A small Kafka client for tests: one connection, any request in any version, or raw bytes.
 */
import { decodeResponseHeader, encodeRequestHeader, encodeResponseHeader } from "../net/protocol/headers.ts";
import type { Message } from "../net/protocol/schema.ts";
import { Reader } from "../net/protocol/reader.ts";
import { Writer } from "../net/protocol/writer.ts";

class ConnectionClosedError extends Error {
  override name = "ConnectionClosedError";
  override message = "The broker closed the connection";
}

/** One connection to a broker. */
export class KafkaClient implements Disposable {
  readonly #connection: Deno.TcpConn;
  #received = new Uint8Array(0);
  #nextId = 1;
  #isClosed = false;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Connects. */
  static async connect(to: { host?: string; port: number }): Promise<KafkaClient> {
    return new KafkaClient(await Deno.connect({ hostname: to.host ?? "127.0.0.1", port: to.port }));
  }

  /** Sends bytes as they are. */
  async sendRaw(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
  }

  /** Sends a request without waiting. @returns its correlation id */
  async send<D, E>(message: Message<D, E>, apiVersion: number, request: E): Promise<number> {
    const correlationId = this.#nextId++;
    await this.sendRaw(frameOf(message, { apiVersion, correlationId }, request));
    return correlationId;
  }

  /** Receives the next answer. @param row of the API it belongs to @returns null when the broker closed the connection */
  async receive<D, E>(
    message: Message<D, E>,
    apiVersion: number,
  ): Promise<{ correlationId: number; response: D; reader: Reader } | null> {
    const frame = await this.receiveFrame();
    if (frame === null) return null;
    const reader = new Reader(frame);
    const correlationId = decodeResponseHeader(reader, message, apiVersion);
    const response = message.decode(reader, apiVersion);
    if (reader.failure !== null) throw new Error(`Cannot decode the answer: ${reader.failure}`);
    if (reader.remaining !== 0) throw new Error(`${reader.remaining} bytes follow the answer`);
    return { correlationId, response, reader };
  }

  /** Sends a request and receives its answer. @throws ConnectionClosedError when the broker closed the connection */
  async call<RD, RE, D, E>(
    request: Message<RD, RE>,
    response: Message<D, E>,
    of: { apiVersion: number; value: RE },
  ): Promise<D> {
    const id = await this.send(request, of.apiVersion, of.value);
    const answer = await this.receive(response, of.apiVersion);
    if (answer === null) throw new ConnectionClosedError();
    if (answer.correlationId !== id) throw new Error(`Answer ${answer.correlationId} came for request ${id}`);
    return answer.response;
  }

  /** Receives a whole frame, without its size. @returns null when the broker closed the connection */
  async receiveFrame(): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#received.length >= 4) {
        const end = 4 + new DataView(this.#received.buffer, this.#received.byteOffset).getInt32(0);
        if (this.#received.length >= end) {
          const frame = this.#received.slice(4, end);
          this.#received = this.#received.slice(end);
          return frame;
        }
      }
      const chunk = new Uint8Array(1 << 20);
      const count = await this.#connection.read(chunk).catch(closedAsNull);
      if (count === null) return null;
      const joined = new Uint8Array(this.#received.length + count);
      joined.set(this.#received);
      joined.set(chunk.subarray(0, count), this.#received.length);
      this.#received = joined;
    }
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) this.#connection.close();
    this.#isClosed = true;
  }
}

function closedAsNull(error: unknown): null {
  if (isConnectionLost(error)) return null;
  throw error;
}

/** Whether a call failed because the broker closed the connection, or was killed. */
export function isConnectionLost(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof ConnectionClosedError;
}

/** Encodes a whole request with its size. */
export function frameOf<D, E>(
  message: Message<D, E>,
  header: { apiVersion: number; correlationId: number; clientId?: string | null },
  request: E,
): Uint8Array {
  const writer = new Writer();
  encodeRequestHeader(writer, message, { clientId: "test", ...header });
  message.encode(writer, header.apiVersion, request);
  const body = writer.toBytes();
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setInt32(0, body.length);
  frame.set(body, 4);
  return frame;
}

/** Encodes a whole answer with its size. */
export function answerFrameOf<D, E>(
  message: Message<D, E>,
  header: { apiVersion: number; correlationId: number },
  response: E,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.int32(0);
  encodeResponseHeader(writer, message, header);
  message.encode(writer, header.apiVersion, response);
  const frame = writer.toBytes();
  new DataView(frame.buffer).setInt32(0, frame.length - 4);
  return frame;
}

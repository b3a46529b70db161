/**
 * One connection of the HTTP listener: requests come one after the other, each is answered before the next is read. So a client that sends
 * many at once, or does not read, holds the bytes of one request and of one answer. Worker of the HTTP listener.
 *
 * ```
 *   opened ──► request ──► answer ──┬─► idle ──► request …         phase limit:  request  requestMsMax
 *                │ refused          │                                            answer   answerMs + writeMsMax
 *                └──► answer ───────┴─► closed                                   idle     idleMsMax
 * ```
 */
import { type AnswerForm, answerParts, type Page, textPage } from "./http_answer.ts";
import type { HttpLimits } from "./http_limits.ts";
import { type HttpRequest, readRequest } from "./http_request.ts";

/** A connection of the system. Closing it ends what is under way in it. */
export type HttpStream = Pick<Deno.TcpConn, "read" | "write" | "close">;

/** What a connection needs of the listener. */
export interface ConnectionHost {
  readonly limits: HttpLimits;
  /** The page of a path. Never rejects. */
  pageOf(path: string): Promise<Page>;
  now(): number;
}

/** The connection. */
export class HttpConnection {
  readonly #stream: HttpStream;
  readonly #host: ConnectionHost;
  readonly #buffer: Uint8Array;
  #arrivedCount = 0;
  #deadlineMs: number;
  #isClosed = false;
  /** Its last request was answered, and no other one has begun. */
  #isIdle = false;
  /** When it was opened, or last answered. */
  #activeMs: number;
  /** Number of the page that is being sent, 0 for none. */
  #sending = 0;

  /** @param stream it owns it */
  constructor(stream: HttpStream, host: ConnectionHost) {
    this.#stream = stream;
    this.#host = host;
    this.#buffer = new Uint8Array(host.limits.headBytesMax);
    this.#activeMs = host.now();
    this.#deadlineMs = this.#activeMs + host.limits.requestMsMax;
  }

  /** Serves it. Settles when it is closed, by either side. */
  async serve(): Promise<void> {
    try {
      let isOpen = true;
      while (isOpen) isOpen = await this.#serveOne();
    } finally {
      this.close();
    }
  }

  /** Whether it has taken too long for what it does. */
  isOverdue(nowMs: number): boolean {
    return nowMs >= this.#deadlineMs;
  }

  /** Whether it can be closed for another one, because it has no request, or has had its time. */
  givesWay(nowMs: number): boolean {
    return this.#isIdle || nowMs - this.#activeMs >= this.#host.limits.fairMs;
  }

  /** Whether it still sends a page that is older than this one. @param serial of the oldest page that may be sent */
  sendsOlderThan(serial: number): boolean {
    return this.#sending > 0 && this.#sending < serial;
  }

  /** Closes it. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream.close();
  }

  /** Answers a request. @returns whether another one may follow */
  async #serveOne(): Promise<boolean> {
    const { limits } = this.#host;
    for (;;) {
      const request = readRequest(this.#buffer.subarray(0, this.#arrivedCount), limits.headBytesMax);
      if (request?.kind === "request") return await this.#answer(request);
      if (request?.kind === "refused") {
        const form = { hasBody: true, acceptsGzip: false, keepsOpen: false };
        await this.#send(textPage(request.status, request.reason), form);
        return false;
      }
      const count = await this.#receive();
      if (count === null) return false;
      if (this.#arrivedCount === 0) this.#beginRequest();
      this.#arrivedCount += count;
    }
  }

  async #answer({ method, path, acceptsGzip, keepsOpen, bytesCount }: HttpRequest): Promise<boolean> {
    const { limits } = this.#host;
    this.#buffer.copyWithin(0, bytesCount, this.#arrivedCount);
    this.#arrivedCount -= bytesCount;
    this.#deadlineMs = this.#host.now() + limits.answerMs.metrics + limits.writeMsMax;
    const page = await this.#host.pageOf(path);
    const isSent = await this.#send(page, { hasBody: method === "GET", acceptsGzip, keepsOpen });
    if (!isSent || !keepsOpen) return false;
    this.#beginRequest();
    if (this.#arrivedCount > 0) return true;
    this.#isIdle = true;
    this.#deadlineMs = this.#activeMs + limits.idleMsMax;
    return true;
  }

  #beginRequest(): void {
    this.#isIdle = false;
    this.#activeMs = this.#host.now();
    this.#deadlineMs = this.#activeMs + this.#host.limits.requestMsMax;
  }

  /** @returns null when the connection has ended: whatever the system says of it, it costs this connection alone */
  async #receive(): Promise<number | null> {
    try {
      return await this.#stream.read(this.#buffer.subarray(this.#arrivedCount));
    } catch {
      return null;
    }
  }

  /** @returns false when the connection has ended before all was sent */
  async #send(page: Page, form: AnswerForm): Promise<boolean> {
    this.#sending = page.serial;
    try {
      for (const part of answerParts(page, form)) {
        for (let at = 0; at < part.length;) at += await this.#stream.write(part.subarray(at));
      }
      return true;
    } catch {
      return false;
    } finally {
      this.#sending = 0;
    }
  }
}

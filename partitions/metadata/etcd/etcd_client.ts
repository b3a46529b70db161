/**
 * Requests to the JSON gateway of an etcd with several members, by `fetch`. Runs on the main isolate; no call blocks.
 *
 * ```
 *   attempt  one request to the preferred member. When that does not answer, the next member becomes the preferred one.
 *   ask      attempts until one is answered, or the time is up: for requests that may be carried out twice
 * ```
 *
 * Every request carries `hasleader`: a member without a leader refuses at once, and a watch ends there, instead of waiting for ever.
 * A member's version is asked for before its first request, and again after it did not answer: it may have been replaced.
 * Source: etcd's documentation of the gateway; what was tried is in gateway_messages.ts.
 */
import { type Clock, systemClock } from "../../../storage/base/clock.ts";
import { MetadataStoreError } from "../store/store.ts";
import { chunksUntilAborted, unlessAborted } from "./abortable.ts";
import type { EtcdLimits } from "./etcd_limits.ts";
import type { EtcdPosition } from "./etcd_position.ts";
import { EtcdSilence } from "./etcd_silence.ts";
import { refusedVersion } from "./etcd_version.ts";
import { answeredFailure, connectionFailure, GatewayFailure, ownCode } from "./gateway_failure.ts";
import type { AnswerHeader } from "./gateway_messages.ts";
import { pause } from "./pause.ts";

/** How etcd is reached. */
export interface EtcdAccess {
  /** "http://127.0.0.1:2379", one for each member. */
  readonly endpoints: readonly string[];
  /** A user of etcd, where it asks for one. */
  readonly user?: { readonly name: string; readonly password: string };
  /**
   * Texts of PEM files: certificates of the authorities that sign etcd's, and the broker's certificate with its key. An etcd that asks for
   * users, too, takes only certificates without a common name at its gateway.
   */
  readonly tls?: { readonly caCerts?: readonly string[]; readonly cert?: string; readonly key?: string };
}

/** A request. */
export interface GatewayRequest {
  /** "/v3/kv/range" */
  readonly path: string;
  readonly body: unknown;
  /**
   * What the answer proves: "ordered" went through etcd's log and may not be older than what was seen; "read" is asked again elsewhere when
   * it is older; "unordered" says nothing.
   */
  readonly proof: "ordered" | "read" | "unordered";
  readonly attemptMs: number;
}

/** What every answer has. The answers of streams, of which a lease's renewal is one, have it a level deeper. */
export interface GatewayAnswer {
  readonly header?: AnswerHeader;
  readonly result?: { readonly header?: AnswerHeader };
}

interface Member {
  readonly url: string;
  isChecked: boolean;
}

/** An answer that goes on: its bytes, and who sends them. */
export interface GatewayStream {
  readonly endpoint: string;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** The client. */
export class EtcdClient implements Disposable {
  readonly #members: readonly Member[];
  readonly #access: EtcdAccess;
  readonly #position: EtcdPosition;
  readonly #limits: EtcdLimits;
  readonly #clock: Clock;
  readonly #http: Deno.HttpClient;
  readonly #silence: EtcdSilence;
  #preferred = 0;
  #token: string | null = null;
  #loggingIn: Promise<void> | null = null;

  /** @param access at least one endpoint @throws MetadataStoreError when an endpoint is no URL */
  constructor(
    access: EtcdAccess,
    { position, limits, clock = systemClock, report = () => {} }: {
      position: EtcdPosition;
      limits: EtcdLimits;
      clock?: Clock;
      report?: (sentence: string) => void;
    },
  ) {
    this.#members = access.endpoints.map((text) => ({ url: urlOf(text), isChecked: false }));
    if (this.#members.length === 0) throw new MetadataStoreError("No endpoint of etcd is named");
    this.#access = access;
    this.#position = position;
    this.#limits = limits;
    this.#clock = clock;
    this.#silence = new EtcdSilence(clock, report);
    const { caCerts, cert, key } = access.tls ?? {};
    this.#http = Deno.createHttpClient({
      ...(caCerts === undefined ? {} : { caCerts: [...caCerts] }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      http2: false,
    });
  }

  /**
   * Asks until a member answers.
   * @throws GatewayFailure of the last attempt, when etcd refuses or the time is up @throws MetadataStoreError when this etcd cannot be used
   */
  async ask<T extends GatewayAnswer>(request: GatewayRequest): Promise<T> {
    const attempts = this.attempts();
    for (;;) {
      try {
        return await this.attempt<T>(request);
      } catch (error) {
        if (!(error instanceof GatewayFailure) || error.kind === "refused" || error.isTooLarge) throw error;
        if (!await attempts.next()) throw error;
      }
    }
  }

  /** Counts the attempts of one request. `next()` pauses when every member was tried, and says whether there is time for another. */
  attempts(): { next(): Promise<boolean> } {
    const { requestMs, pauseMs, pauseMaxMs } = this.#limits;
    const endMs = this.#clock.monotonicMs() + requestMs;
    let count = 0;
    return {
      next: async () => {
        const round = Math.floor(++count / this.#members.length);
        const isRoundOver = count % this.#members.length === 0;
        if (isRoundOver) await pause(Math.min(pauseMaxMs, pauseMs * 2 ** (round - 1)));
        return this.#clock.monotonicMs() < endMs;
      },
    };
  }

  /**
   * Sends a request once.
   * @throws GatewayFailure that says whether it may have been carried out @throws MetadataStoreError when this etcd cannot be used
   */
  async attempt<T extends GatewayAnswer>({ path, body, proof, attemptMs }: GatewayRequest): Promise<T> {
    const seenBefore = this.#position.revision;
    const member = this.#member();
    let token: string | null = null;
    try {
      token = await this.#prepare(member, attemptMs);
      const text = await this.#fetch(member, { path, body, timeMs: attemptMs });
      const answer = JSON.parse(text) as T & { error?: unknown };
      if (answer.error !== undefined) throw answeredFailure(200, text);
      const revision = this.#position.note(answer.header ?? answer.result?.header, member.url);
      if (proof === "ordered") this.#position.refuseRestored(revision, seenBefore);
      if (proof === "read" && revision < seenBefore) {
        throw new GatewayFailure("unknown", `it answers with revision ${revision}, after ${seenBefore} was seen`);
      }
      this.#silence.answered();
      return answer;
    } catch (error) {
      throw this.#failed(member, error, { token });
    }
  }

  /**
   * Opens a stream at the preferred member.
   * @param signal ends it
   * @throws as `attempt()`
   */
  async stream(path: string, body: unknown, signal: AbortSignal): Promise<GatewayStream> {
    const member = this.#member();
    let token: string | null = null;
    try {
      token = await this.#prepare(member, this.#limits.attemptMs);
      const response = await this.#send(member, { path, body, signal });
      if (response.body === null) throw new GatewayFailure("unknown", "it answers without a body");
      if (!response.ok) throw answeredFailure(response.status, await this.#textOf(response, signal));
      return { endpoint: member.url, chunks: chunksUntilAborted(response.body, signal) };
    } catch (error) {
      throw this.#failed(member, error, { token, isTimeout: signal.aborted });
    }
  }

  /** Prefers another member than this one, whose stream was silent or ended. */
  leave(endpoint: string): void {
    const member = this.#member();
    if (member.url !== endpoint) return;
    member.isChecked = false;
    this.#preferred = (this.#preferred + 1) % this.#members.length;
  }

  /** Closes the connections. Idempotent. */
  [Symbol.dispose](): void {
    this.#http.close();
  }

  #member(): Member {
    return this.#members[this.#preferred] as Member;
  }

  /**
   * What a failed attempt throws. A failure that came with an answer says nothing against the member.
   * @param sent the token that it was sent with; another request may have logged in since
   */
  #failed(member: Member, error: unknown, sent: { token: string | null; isTimeout?: boolean }): unknown {
    const { token, isTimeout = false } = sent;
    if (error instanceof MetadataStoreError) return error;
    const failure = error instanceof GatewayFailure ? error : connectionFailure(error, isTimeout);
    if (failure.needsLogin && this.#access.user !== undefined) {
      if (this.#token === token) this.#token = null;
      return new GatewayFailure("unsent", failure.message, failure.code);
    }
    if (failure.kind === "refused" || failure.isTooLarge) return failure;
    this.#silence.failed(failure.message);
    this.leave(member.url);
    return failure;
  }

  /** Checks a member's version, and logs in. A failure here means that the request was not sent. @returns the token */
  async #prepare(member: Member, timeMs: number): Promise<string | null> {
    try {
      if (!member.isChecked) await this.#checkVersion(member, timeMs);
      while (this.#access.user !== undefined && this.#token === null) {
        this.#loggingIn ??= this.#login(member).finally(() => this.#loggingIn = null);
        await this.#loggingIn;
      }
      return this.#token;
    } catch (error) {
      if (error instanceof GatewayFailure && error.kind === "unknown") {
        throw new GatewayFailure("unsent", error.message, error.code);
      }
      throw error;
    }
  }

  async #checkVersion(member: Member, timeMs: number): Promise<void> {
    const text = await this.#fetch(member, { path: "/version", timeMs });
    const { etcdserver } = JSON.parse(text) as { etcdserver?: unknown };
    const refusal = refusedVersion(String(etcdserver));
    if (refusal !== null) throw new MetadataStoreError(`Cannot use the etcd at ${member.url}: ${refusal}`);
    member.isChecked = true;
  }

  /** Gets a token. All requests that need one wait for the same: etcd hashes the password each time, on purpose slowly. */
  async #login(member: Member): Promise<void> {
    const request = { path: "/v3/auth/authenticate", body: this.#access.user, timeMs: this.#limits.loginMs };
    const { token } = JSON.parse(await this.#fetch(member, request)) as { token?: unknown };
    if (typeof token !== "string" || token === "") {
      throw new GatewayFailure("unknown", "it answers a login without a token");
    }
    this.#token = token;
  }

  /** Sends a request and reads the whole answer, in this time. */
  async #fetch(
    member: Member,
    { path, body, timeMs }: { path: string; body?: unknown; timeMs: number },
  ): Promise<string> {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), timeMs);
    try {
      const response = await this.#send(member, { path, body, signal: controller.signal });
      const text = await this.#textOf(response, controller.signal);
      if (!response.ok) throw answeredFailure(response.status, text);
      if (!text.startsWith("{")) throw new GatewayFailure("unknown", "its answer is no JSON object");
      return text;
    } catch (error) {
      throw error instanceof GatewayFailure ? error : connectionFailure(error, controller.signal.aborted);
    } finally {
      clearTimeout(timer);
      controller.abort();
    }
  }

  #send(
    member: Member,
    { path, body, signal }: { path: string; body?: unknown; signal: AbortSignal },
  ): Promise<Response> {
    const headers: Record<string, string> = { "Grpc-Metadata-hasleader": "true" };
    if (this.#token !== null) headers.Authorization = this.#token;
    const post = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const answer = fetch(member.url + path, { ...post, headers, signal, client: this.#http, redirect: "error" });
    return unlessAborted(answer, signal, (late) => void late.body?.cancel().catch(() => null));
  }

  /** The body of an answer, up to the limit. */
  async #textOf(response: Response, signal: AbortSignal): Promise<string> {
    if (response.body === null) return "";
    const parts: string[] = [];
    const decoder = new TextDecoder();
    let bytes = 0;
    for await (const chunk of chunksUntilAborted(response.body, signal)) {
      bytes += chunk.byteLength;
      if (bytes > this.#limits.answerBytesMax) {
        throw new GatewayFailure(
          "unknown",
          `its answer is larger than ${this.#limits.answerBytesMax} bytes`,
          ownCode.ANSWER_TOO_LARGE,
        );
      }
      parts.push(decoder.decode(chunk, { stream: true }));
    }
    if (signal.aborted) throw new GatewayFailure("unknown", "it does not answer in time");
    return parts.join("") + decoder.decode();
  }
}

/** An endpoint without its last slash. @throws MetadataStoreError when it is no URL of HTTP */
function urlOf(text: string): string {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol) && url.pathname === "/") return url.origin;
  throw new MetadataStoreError(`"${text}" is no endpoint of etcd; it looks like http://127.0.0.1:2379`);
}

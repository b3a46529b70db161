/**
 * A request until its answer. The answer to the oldest request of a connection is encoded directly into what the connection
 * sends. An answer before its turn is encoded and kept (pipeline.ts). Runs on shards.
 *
 * A handler that throws costs its connection alone if its API changes nothing, and it is counted. Otherwise the error ends the broker,
 * because what the handler had changed is unknown. A failed assertion always ends the broker.
 */
import { assert, AssertionError } from "../../storage/base/assert.ts";
import { FETCH, FOLLOWER_FETCH } from "../../partitions/mod.ts";
import type { Affinity } from "../reactor/affinity.ts";
import type { ConnectionContext } from "./connection_context.ts";
import type { Exchange } from "./handler.ts";
import type { Api } from "../protocol/api.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { encodeResponseHeader, type RequestHeader } from "../protocol/headers.ts";
import { placeOf } from "../protocol/wire_types.ts";
import type { RecordsPayload, Writer } from "../protocol/writer.ts";
import { beginFrame, completeFrame, releaseHoles } from "./answer_frame.ts";
import type { RequestTimes, TimedRequest } from "./times/request_times.ts";
import type { QuotaKind } from "./quotas/quotas.ts";
import { isLargeWeight, type RequestWeights } from "./request_weights.ts";

/** An encoded response that waits for its turn. */
interface KeptResponse {
  readonly bytes: Uint8Array;
  readonly holes: readonly { at: number; payload: RecordsPayload }[];
}

const NOT_MEASURED = -1;

/** What a pipeline needs of its connection. */
export interface PipelineOwner {
  /** The arena block of the request that is being handled. */
  readonly currentBlock: number;
  /** Adds a hold to a block that is already held. */
  retainBlock(block: number): void;
  /** Ends one hold. */
  releaseBlock(block: number): void;
  readonly context: ConnectionContext;
  /** When the bytes of the request that is being handled were there, µs. */
  readonly arrivedUs: number;
  /** Counts how long requests take. */
  readonly times: RequestTimes;
  /** Decides which shard the connection belongs to. */
  readonly affinity: Affinity;
  /** The shard's writer, for one encoding at a time. */
  readonly writer: Writer;
  /** A request ended without an answer, so that there may be room for the next one. */
  onEnded(): void;
  /** Moves an encoded response to the connection's sender. */
  sendEncoded(bytes: Uint8Array, end: number, holes: readonly { at: number; payload: RecordsPayload }[]): void;
  /** The answer of a request is the last one that was moved there. */
  onAnswer(request: TimedRequest): void;
  /** A handler threw. */
  onHandlerFailure(): void;
  /** Handles no further request of the client for this long. */
  mute(pauseMs: number): void;
  /** Closes the connection. */
  close(reason: string): void;
}

/** What a request needs of the pipeline that it is in. */
export interface ExchangePipeline {
  readonly owner: PipelineOwner;
  /** The request that later requests of its API wait for. */
  waiting: RequestExchange | null;
  /** Whether the connection has closed. */
  readonly isClosed: boolean;
  /** What the decoded requests of the whole shard take on the heap. */
  readonly totals: { readonly weights: RequestWeights };
  /** Whether a request is the oldest. */
  isHead(exchange: RequestExchange): boolean;
  /** A request has its answer before its turn, or needs none. */
  keep(exchange: RequestExchange, keptBytes: number): void;
  /** Counts what a decoded request takes until it is answered. */
  weigh(exchange: RequestExchange, bytes: number): void;
  /** The oldest request has ended: sends what its successors kept. */
  advance(): void;
}

/** One request. */
export class RequestExchange<Response = unknown> implements Exchange<Response>, TimedRequest {
  readonly header: RequestHeader;
  readonly #row: Api;
  readonly #pipeline: ExchangePipeline;
  readonly #block: number;
  /** How long the client has to pause, in ms. */
  #throttleTimeMs = 0;
  /** When its time began to be measured, in microseconds; NOT_MEASURED while it is not. */
  #beganUs = NOT_MEASURED;
  /** The time that its handling took, if it has ended. */
  #handledUs = NOT_MEASURED;
  #state: "waiting" | "kept" | "done" = "waiting";
  #kept: KeptResponse | null = null;
  #drop: (() => void) | null = null;
  /** Owned by the pipeline: requests behind this one are not handled before it has ended. */
  holdsFollowers = false;
  #holdsUntilAnswered = false;
  /** Owned by the pipeline: bytes of memory that the request takes while it has no answer. */
  heldBytes = 0;
  /** Owned by the pipeline: bytes of its answer while earlier requests are unanswered. */
  keptBytes = 0;
  /** Owned by the router: bytes of heap that the decoded request takes. */
  weightBytes = 0;
  readonly arrivedUs: number;
  readonly countedAs: number;
  sinceUs = 0;
  respondedUs = 0;
  isHandled = false;

  /** @param header the request's @param row its API @param pipeline of its connection */
  constructor(header: RequestHeader, row: Api, pipeline: ExchangePipeline) {
    this.header = header;
    this.#row = row;
    this.#pipeline = pipeline;
    this.#block = pipeline.owner.currentBlock;
    const { arrivedUs, context } = pipeline.owner;
    this.arrivedUs = arrivedUs;
    this.countedAs = header.apiKey === FETCH && context.brokerId !== null ? FOLLOWER_FETCH : header.apiKey;
    pipeline.owner.times.begin(this);
  }

  get apiVersion(): number {
    return this.header.apiVersion;
  }

  get context(): ConnectionContext {
    return this.#pipeline.owner.context;
  }

  /** Holds the request's bytes until `releaseBlock()`. Allowed during its first handling, and while another hold lasts. */
  retainBlock(): void {
    this.#pipeline.owner.retainBlock(this.#block);
  }

  /** Ends one hold of the request's bytes. */
  releaseBlock(): void {
    this.#pipeline.owner.releaseBlock(this.#block);
  }

  /** Counts the partitions of the request, to find the shard that the connection belongs to. */
  get affinity(): Affinity {
    return this.#pipeline.owner.affinity;
  }

  /** Whether the connection has closed, so that the answer is not needed. */
  get isAbandoned(): boolean {
    return this.#pipeline.isClosed;
  }

  /** Whether it still waits for its answer. */
  get isWaiting(): boolean {
    return this.#state === "waiting";
  }

  /**
   * Lets the requests behind this one wait until it is answered, as Kafka does with all requests. Used for a request that waits for
   * others and changes the outcome of the requests behind it.
   */
  holdFollowers(): void {
    this.holdsFollowers = this.#holdsUntilAnswered = true;
  }

  /** Lets later requests of the same API wait until this one is answered, so that one of them waits for records at a time. */
  holdSameApi(): void {
    this.#pipeline.waiting = this;
  }

  beginSlices(): () => void {
    this.retainBlock();
    this.holdsFollowers = true;
    const release = this.holdMemory();
    return () => {
      release();
      this.holdsFollowers = this.#holdsUntilAnswered;
      this.releaseBlock();
      this.#pipeline.owner.onEnded();
    };
  }

  /** Whether it has more than a few elements. */
  get isLarge(): boolean {
    return isLargeWeight(this.weightBytes);
  }

  /** Ends the count of the request's heap memory: it may wait for days, and is no longer on the heap or is counted elsewhere. */
  releaseMemory(): void {
    this.#pipeline.weigh(this, 0);
  }

  holdMemory(): () => void {
    const { weights } = this.#pipeline.totals;
    const bytes = this.weightBytes;
    weights.add(bytes);
    return () => weights.add(-bytes);
  }

  fail(error: unknown): void {
    if (!this.#row.isReadOnly || error instanceof AssertionError) throw error;
    this.#pipeline.owner.onHandlerFailure();
    // Some answers have an error for each of their parts only, and the parts are unknown here.
    const declared = this.#row.response.fields["errorCode"];
    if (this.isWaiting && declared !== undefined && placeOf(declared, this.apiVersion) !== "absent") {
      this.respond({ errorCode: errorCode.UNKNOWN_SERVER_ERROR } as Response);
    }
    const stack = error instanceof Error ? error.stack : String(error);
    this.close(`the handler of ${this.#row.name} failed, which is a bug of the broker: ${stack}`);
  }

  charge(kind: QuotaKind, amount: number): void {
    this.throttle(this.context.quotas.charge(this.context, kind, amount));
  }

  throttle(pauseMs: number): void {
    if (pauseMs <= this.#throttleTimeMs) return;
    this.#throttleTimeMs = pauseMs;
    this.#pipeline.owner.mute(pauseMs);
  }

  chargeFetch(bytes: number): boolean {
    this.#chargeTime();
    if (this.#throttleTimeMs > 0) return false;
    const pauseMs = this.context.quotas.tryCharge(this.context, "fetch", bytes);
    this.throttle(pauseMs);
    return pauseMs === 0;
  }

  /** Charges the time that the shard's thread works on it until it is answered or waits. @param beganUs when that began */
  measure(beganUs: number): void {
    this.#beganUs = beganUs;
  }

  /** Its handling has ended. It may wait for its answer from here on, which takes no time of the thread. */
  endMeasuring(): void {
    if (this.#beganUs !== NOT_MEASURED) this.#handledUs = this.context.quotas.nowUs() - this.#beganUs;
  }

  /** As in Kafka, an answer is charged with the time until it or, if it came later, until the end of the handling. */
  #chargeTime(): void {
    if (this.#beganUs === NOT_MEASURED) return;
    const tookUs = this.#handledUs === NOT_MEASURED ? this.context.quotas.nowUs() - this.#beganUs : this.#handledUs;
    this.#beganUs = NOT_MEASURED;
    this.charge("request", tookUs);
  }

  respond(response: Response): void {
    this.#chargeTime();
    const throttleTimeMs = this.#throttleTimeMs;
    const answer = throttleTimeMs === 0 ? response : { ...response, throttleTimeMs };
    this.respondWith(
      (writer) => this.#row.response.encode(writer, this.header.apiVersion, answer),
      this.header.apiVersion,
    );
  }

  /** Answers with a body of another version than the request's (ApiVersions falls back to v0). */
  respondWith(encodeBody: (writer: Writer) => void, apiVersion: number): void {
    assert(this.#state === "waiting", "a request is answered once");
    this.#drop = null;
    const { owner } = this.#pipeline;
    const { writer } = owner;
    beginFrame(writer);
    encodeResponseHeader(writer, this.#row.response, { apiVersion, correlationId: this.header.correlationId });
    const failure = completeFrame(writer, encodeBody);
    owner.times.responded(this);
    owner.times.countErrors(this, writer.errors);
    if (failure !== null) return this.close(`the answer to ${this.#row.name} cannot be encoded: ${failure}`);
    if (this.#pipeline.isClosed) {
      this.#state = "done";
      return releaseHoles(writer.holes);
    }
    if (this.#pipeline.isHead(this)) {
      this.#state = "done";
      owner.sendEncoded(writer.bytes, writer.position, writer.holes);
      owner.onAnswer(this);
      this.#pipeline.advance();
      return;
    }
    this.#state = "kept";
    this.#kept = { bytes: writer.bytes.slice(0, writer.position), holes: [...writer.holes] };
    this.#pipeline.keep(this, writer.position);
  }

  respondNothing(): void {
    assert(this.#state === "waiting", "a request is answered once");
    this.#drop = null;
    this.#state = "done";
    this.#pipeline.owner.times.endedUnanswered(this);
    if (this.#pipeline.isClosed) return;
    if (!this.#pipeline.isHead(this)) return this.#pipeline.keep(this, 0);
    this.#pipeline.advance();
    // Nothing is sent, so nothing else would resume a connection that stopped reading because its pipeline was full.
    this.#pipeline.owner.onEnded();
  }

  close(reason: string): void {
    this.#pipeline.owner.close(reason);
  }

  onAbandoned(drop: () => void): void {
    this.#drop = drop;
  }

  /** Sends the kept answer. @returns whether the request has ended, so that the next one is the oldest */
  release(): boolean {
    const kept = this.#kept;
    if (kept !== null) {
      this.#kept = null;
      this.#state = "done";
      this.#pipeline.owner.sendEncoded(kept.bytes, kept.bytes.length, kept.holes);
      this.#pipeline.owner.onAnswer(this);
    }
    return this.#state === "done";
  }

  /** Its handler has returned. */
  handled(): void {
    this.#pipeline.owner.times.handled(this);
  }

  /** Drops the request, because its connection has closed. */
  abandon(): void {
    if (this.#kept !== null) releaseHoles(this.#kept.holes);
    this.#kept = null;
    const drop = this.#drop;
    this.#drop = null;
    drop?.();
  }
}

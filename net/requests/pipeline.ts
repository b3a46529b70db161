/**
 * The unanswered requests of a connection. The pipeline sends answers in request order and counts the memory that requests and answers
 * take. A request is handled at once, except behind a JoinGroup or SyncGroup, whose outcome it depends on, behind a request that is cut
 * into slices, or as a fetch behind a waiting fetch. Runs on shards.
 */
import type { Api } from "../protocol/api.ts";
import type { RequestHeader } from "../protocol/headers.ts";
import { type ExchangePipeline, type PipelineOwner, RequestExchange } from "./exchange.ts";
import { emptyTotals, type PipelineTotals } from "./pipeline_totals.ts";

/** The unanswered requests of a connection, oldest first. */
export class Pipeline implements ExchangePipeline {
  readonly owner: PipelineOwner;
  /** Owned by the requests: the one that later requests of its API wait for. */
  waiting: RequestExchange | null = null;
  #requests: RequestExchange[] = [];
  #isClosed = false;
  #isAdvancing = false;
  #heldBytes = 0;
  /** Memory of this pipeline and others. */
  readonly totals: PipelineTotals;

  /** @param owner the connection @param totals counts the bytes of several pipelines */
  constructor(owner: PipelineOwner, totals = emptyTotals()) {
    this.owner = owner;
    this.totals = totals;
  }

  /** How many requests wait for their answer. */
  get length(): number {
    return this.#requests.length;
  }

  /** Bytes of memory of its requests and of the answers kept behind them. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether the connection has closed. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether the latest request has to end before the next one is handled. */
  get isHeld(): boolean {
    const latest = this.#requests.at(-1);
    return latest !== undefined && latest.holdsFollowers && latest.isWaiting;
  }

  /** Whether a request of this API has to wait for an earlier one. */
  holdsBack(apiKey: number): boolean {
    const { waiting } = this;
    return waiting !== null && waiting.isWaiting && waiting.header.apiKey === apiKey;
  }

  /** Adds the next request. */
  push(header: RequestHeader, row: Api): RequestExchange {
    const exchange = new RequestExchange(header, row, this);
    this.#requests.push(exchange);
    return exchange;
  }

  /** Counts the bytes of the request that was just handled, unless it is answered. */
  hold(bytes: number): void {
    const latest = this.#requests.at(-1);
    if (latest?.isWaiting) this.#countHeld(latest, bytes);
  }

  /** A request has its answer before its turn, or needs none. Its turn may be days away, so only the answer is counted until then. */
  keep(exchange: RequestExchange, keptBytes: number): void {
    this.#countHeld(exchange, 0);
    this.#countKept(exchange, keptBytes);
    this.weigh(exchange, 0);
    if (exchange.holdsFollowers) this.owner.onEnded();
  }

  /** Counts what a decoded request takes until it is answered. */
  weigh(exchange: RequestExchange, bytes: number): void {
    this.totals.weights.add(bytes - exchange.weightBytes);
    exchange.weightBytes = bytes;
  }

  /** Whether a request is the oldest. */
  isHead(exchange: RequestExchange): boolean {
    return this.#requests[0] === exchange;
  }

  /** The oldest request has ended: sends what its successors kept. */
  advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    this.#shift();
    while (this.#requests[0]?.release()) this.#shift();
    this.#isAdvancing = false;
  }

  /** Drops everything that waits, because the connection has closed. */
  abandon(): void {
    this.#isClosed = true;
    const requests = this.#requests;
    this.#requests = [];
    for (const request of requests) {
      request.abandon();
      this.#uncount(request);
    }
  }

  #shift(): void {
    const request = this.#requests.shift();
    if (request !== undefined) this.#uncount(request);
  }

  #uncount(request: RequestExchange): void {
    this.#countHeld(request, 0);
    this.#countKept(request, 0);
    this.weigh(request, 0);
  }

  #countHeld(request: RequestExchange, bytes: number): void {
    const more = bytes - request.heldBytes;
    this.#heldBytes += more;
    this.totals.heldBytes += more;
    request.heldBytes = bytes;
  }

  #countKept(request: RequestExchange, bytes: number): void {
    const more = bytes - request.keptBytes;
    this.#heldBytes += more;
    this.totals.keptBytes += more;
    request.keptBytes = bytes;
  }
}

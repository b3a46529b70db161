/**
 * An etcd in memory, and a client whose requests and answers it loses, delays and repeats by chance. Tests only.
 */
import { GatewayFailure, grpcCode } from "./gateway_failure.ts";
import type {
  GatewayEntry,
  GatewayOperation,
  RangeAnswer,
  RangeRequest,
  TxnAnswer,
  TxnRequest,
} from "./gateway_messages.ts";

type Responses = NonNullable<TxnAnswer["responses"]>;

/** What one transaction did. */
export interface AppliedTransaction {
  readonly version: number;
  /** Keys and values in plain text; null: deleted. */
  readonly changes: ReadonlyMap<string, string | null>;
}

/** Keys with their revisions. */
export class SimulatedEtcd {
  readonly applied: AppliedTransaction[] = [];
  #revision = 1;
  readonly #entries = new Map<string, GatewayEntry>();

  /** Reads one key. */
  range({ key }: RangeRequest): RangeAnswer {
    const found = this.#entries.get(atob(key));
    return { header: this.#header(), ...(found === undefined ? {} : { kvs: [found] }) };
  }

  /** Carries a transaction out. */
  transact(request: TxnRequest): TxnAnswer {
    const changes = new Map<string, string | null>();
    const answer = this.#apply(request, changes);
    if (changes.size > 0) {
      this.#revision++;
      this.applied.push({ version: this.#revision, changes });
    }
    return { ...answer, header: this.#header() };
  }

  #apply({ compare, success, failure }: TxnRequest, changes: Map<string, string | null>): TxnAnswer {
    const succeeded = compare.every(({ key, mod_revision }) =>
      (this.#entries.get(atob(key))?.mod_revision ?? "0") === mod_revision
    );
    const responses = (succeeded ? success : failure).map((operation) => this.#carryOut(operation, changes));
    return { ...(succeeded ? { succeeded } : {}), responses };
  }

  #carryOut(operation: GatewayOperation, changes: Map<string, string | null>): Responses[number] {
    if ("request_range" in operation) return { response_range: this.range(operation.request_range) };
    if ("request_txn" in operation) return { response_txn: this.#apply(operation.request_txn, changes) };
    if ("request_put" in operation) {
      const { key, value } = operation.request_put;
      this.#entries.set(atob(key), { key, value, mod_revision: String(this.#revision + 1) });
      changes.set(atob(key), atob(value));
      return {};
    }
    const { key, range_end } = operation.request_delete_range;
    const [first, end] = [atob(key), range_end === undefined ? `${atob(key)}\0` : atob(range_end)];
    for (const found of [...this.#entries.keys()]) {
      if (found < first || found >= end) continue;
      this.#entries.delete(found);
      changes.set(found, null);
    }
    return {};
  }

  #header() {
    return { cluster_id: "1", revision: String(this.#revision) };
  }
}

/** A client of it. */
export class FaultyClient {
  readonly #etcd: SimulatedEtcd;
  readonly #random: (bound: number) => number;
  readonly #attemptsMax: number;
  /** Copies that arrive later. */
  #late: TxnRequest[] = [];
  /** Changes each transaction on its way, as a bug would. */
  mutate: (request: TxnRequest) => TxnRequest = (request) => request;

  /** @param random a number below the bound @param attemptsMax of each request */
  constructor(etcd: SimulatedEtcd, random: (bound: number) => number, attemptsMax: number) {
    this.#etcd = etcd;
    this.#random = random;
    this.#attemptsMax = attemptsMax;
  }

  /** As `EtcdClient.attempts()`, without pauses. */
  attempts(): { next(): Promise<boolean> } {
    let count = 0;
    return { next: () => Promise.resolve(++count < this.#attemptsMax) };
  }

  /** As `EtcdClient.ask()`. */
  async ask<T>(request: { path: string; body: unknown }): Promise<T> {
    const attempts = this.attempts();
    for (;;) {
      try {
        return await this.attempt<T>(request);
      } catch (error) {
        if (!(error instanceof GatewayFailure) || error.kind === "refused" || !await attempts.next()) throw error;
      }
    }
  }

  /** As `EtcdClient.attempt()`. */
  async attempt<T>({ path, body }: { path: string; body: unknown }): Promise<T> {
    for (let turns = this.#random(4); turns > 0; turns--) await Promise.resolve(); // others come between
    this.arriveLate(false);
    if (path === "/v3/kv/range") return this.#etcd.range(body as RangeRequest) as T;
    const request = this.mutate(body as TxnRequest);
    const lost = new GatewayFailure("unknown", "it does not answer in time");
    switch (this.#random(12)) {
      case 0:
        throw new GatewayFailure("unsent", "the connection fails");
      case 1:
        throw lost;
      case 2:
        this.#etcd.transact(request);
        throw lost;
      case 3:
        this.#late.push(request);
        throw lost;
      case 4: {
        const answer = this.#etcd.transact(request) as T;
        this.#late.push(request);
        return answer;
      }
      case 5:
        this.#etcd.transact(request);
        return this.#etcd.transact(request) as T;
      case 6:
        // Above the quota, with and without carrying it out.
        if (!request.success.some((operation) => "request_put" in operation)) return this.#etcd.transact(request) as T;
        if (this.#random(2) === 0) this.#etcd.transact(request);
        throw new GatewayFailure("refused", "etcdserver: mvcc: database space exceeded", grpcCode.RESOURCE_EXHAUSTED);
      default:
        return this.#etcd.transact(request) as T;
    }
  }

  /** Lets copies arrive that were late: some, or all that are left. */
  arriveLate(isEnd: boolean): void {
    const late = this.#late;
    this.#late = [];
    for (const request of late) {
      if (isEnd || this.#random(3) === 0) this.#etcd.transact(request);
      else this.#late.push(request);
    }
  }
}

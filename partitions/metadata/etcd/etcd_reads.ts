/**
 * Reads of etcd: one key, or all keys with a prefix at one moment, page by page. Main isolate.
 *
 * All pages are of the revision of the first one. When that is compacted meanwhile, the read begins anew.
 */
import type { KeyVersions, Snapshot, StoredEntry } from "../store/store.ts";
import { INTERNAL } from "../store/stored_text.ts";
import { BoundedPool } from "./bounded_pool.ts";
import type { EtcdClient } from "./etcd_client.ts";
import type { EtcdLimits } from "./etcd_limits.ts";
import { GatewayFailure, refusing } from "./gateway_failure.ts";
import {
  encodeText,
  endOfPrefix,
  entryOf,
  type RangeAnswer,
  type RangeRequest,
  revisionOf,
} from "./gateway_messages.ts";

/** What reads use. */
export interface EtcdReadsParts {
  readonly client: EtcdClient;
  /** Before all keys of the store in etcd. */
  readonly prefix: string;
  readonly limits: EtcdLimits;
}

/** The reads of one store. */
export class EtcdReads {
  readonly #parts: EtcdReadsParts;
  readonly #turns: BoundedPool<null>;

  /** @param parts of the store */
  constructor(parts: EtcdReadsParts) {
    this.#parts = parts;
    const { readsMax, waitingReadsMax, requestMs } = parts.limits;
    this.#turns = new BoundedPool(Array<null>(readsMax).fill(null), { waitingMax: waitingReadsMax, waitMs: requestMs });
  }

  /** Reads one key. @throws MetadataRefusedError when etcd does not answer */
  get(key: string): Promise<StoredEntry | null> {
    return this.#inTurn(async () => {
      const { prefix } = this.#parts;
      const { kvs } = await this.#page({ key: encodeText(prefix + key) });
      return kvs?.[0] === undefined ? null : entryOf(kvs[0], prefix);
    });
  }

  /** Reads all keys with a prefix. @throws MetadataRefusedError when etcd does not answer */
  snapshot(prefix: string): Promise<Snapshot> {
    return this.#inTurn(() => this.#atOneMoment(prefix, {}));
  }

  /** Reads the versions of all keys with a prefix. @throws MetadataRefusedError when etcd does not answer */
  async versions(prefix: string): Promise<KeyVersions> {
    const { version, entries } = await this.#inTurn(() => this.#atOneMoment(prefix, { keys_only: true }));
    return { version, versions: new Map(entries.map((entry) => [entry.key, entry.version])) };
  }

  /** Refuses reads that wait. */
  refuseAll(error: Error): void {
    this.#turns.refuseAll(error);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = await this.#turns.take();
    try {
      return await refusing(work(), "read metadata from");
    } finally {
      this.#turns.give(turn);
    }
  }

  async #atOneMoment(prefix: string, what: Pick<RangeRequest, "keys_only">): Promise<Snapshot> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#pages(prefix, what);
      } catch (error) {
        const isCompacted = error instanceof GatewayFailure && error.isCompacted;
        if (!isCompacted || attempt === this.#parts.limits.readAttemptsMax) throw error;
      }
    }
  }

  async #pages(prefix: string, what: Pick<RangeRequest, "keys_only">): Promise<Snapshot> {
    const { prefix: before, limits } = this.#parts;
    const end = encodeText(endOfRange(before + prefix, before));
    const entries: StoredEntry[] = [];
    let [key, limit, version] = [before + prefix, limits.pageKeysMax, 0];
    for (;;) {
      const revision = version === 0 ? {} : { revision: String(version) };
      let answer: RangeAnswer;
      try {
        answer = await this.#page({ key: encodeText(key), range_end: end, limit, ...revision, ...what });
      } catch (error) {
        if (!(error instanceof GatewayFailure) || !error.isTooLarge || limit === 1) throw error;
        limit = Math.ceil(limit / 2);
        continue;
      }
      if (version === 0) version = revisionOf(answer.header?.revision);
      for (const kv of answer.kvs ?? []) entries.push(entryOf(kv, before));
      const last = entries.at(-1);
      if (answer.more !== true || last === undefined) return { version, entries };
      key = `${before}${last.key}\0`;
    }
  }

  #page(body: RangeRequest): Promise<RangeAnswer> {
    const attemptMs = this.#parts.limits.pageMs;
    return this.#parts.client.ask<RangeAnswer>({ path: "/v3/kv/range", body, proof: "read", attemptMs });
  }
}

/** The end of the keys with a prefix; the store's own keys are behind it. */
function endOfRange(prefix: string, storePrefix: string): string {
  return prefix === storePrefix ? prefix + INTERNAL : endOfPrefix(prefix);
}

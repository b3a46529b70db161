/**
 * Watches the keys of etcd with a prefix, over broken connections, silent members and compactions. Main isolate.
 *
 * ```
 *   stream from last + 1 ──► changes, each transaction once, in order; last = its version
 *     │ it ends, or is silent too long                 │ what comes next is compacted, or too long to read
 *     ▼                                                ▼
 *   another member: stream from last + 1             snapshot ──► reset(); last = its version ──► stream from last + 1
 * ```
 *
 * Always: `last` moves only by what the watcher was told. A progress notification moves nothing: before etcd 3.4.25 and 3.5.8 it may be
 * ahead of the changes (etcd-io/etcd issue 15220). Before each stream etcd is asked for its revision, by its log: an etcd that was
 * restored from a backup would be silent until it has passed `last`.
 *
 * For all keys of the store the watch also gets the keys that the store keeps for itself, so it does not fall behind while others write.
 */
import { MetadataRefusedError, MetadataStoreError, type Snapshot, type StoreWatcher } from "../store/store.ts";
import type { EtcdClient } from "./etcd_client.ts";
import type { EtcdLimits } from "./etcd_limits.ts";
import type { EtcdPosition } from "./etcd_position.ts";
import { connectionFailure, GatewayFailure } from "./gateway_failure.ts";
import { encodeText, endOfPrefix, type WatchLine } from "./gateway_messages.ts";
import { JsonLineError, jsonLines } from "./json_lines.ts";
import { pause } from "./pause.ts";
import { watchNews } from "./watch_events.ts";

/** What a watch uses. */
export interface EtcdWatchParts {
  readonly client: EtcdClient;
  readonly position: EtcdPosition;
  readonly limits: EtcdLimits;
  /** Before all keys of the store in etcd. */
  readonly storePrefix: string;
  /** Of the keys that are watched, behind `storePrefix`. */
  readonly prefix: string;
  readonly watcher: StoreWatcher;
  readonly snapshot: (prefix: string) => Promise<Snapshot>;
  readonly currentRevision: () => Promise<number>;
  /** Counts what happens. */
  readonly counts: WatchCounts;
}

/** What watches of one store have met. */
export interface WatchCounts {
  /** Streams that were opened. */
  streams: number;
  /** Watches that went on with a snapshot. */
  resets: number;
}

/** A watch. */
export class EtcdWatch implements Disposable {
  readonly #parts: EtcdWatchParts;
  readonly #ended = new AbortController();
  /** Version of the last transaction that the watcher knows of. */
  #last: number;
  #failures = 0;

  /** @param from version after which changes are reported */
  constructor(from: number, parts: EtcdWatchParts) {
    this.#last = from;
    this.#parts = parts;
  }

  /** Watches until it is disposed. @throws MetadataStoreError when this etcd cannot be used, or the watcher throws */
  async run(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        await this.#stream();
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof GatewayFailure) && !(error instanceof MetadataRefusedError)) throw error;
        this.#failures++;
      }
      const { pauseMs, pauseMaxMs } = this.#parts.limits;
      await pause(Math.min(pauseMaxMs, pauseMs * 2 ** Math.min(this.#failures, 10)), signal);
    }
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  /** One stream, until it ends. */
  async #stream(): Promise<void> {
    const { client, limits, counts, currentRevision } = this.#parts;
    await currentRevision();
    if (this.#ended.signal.aborted) return;
    const controller = new AbortController();
    const abort = () => controller.abort();
    this.#ended.signal.addEventListener("abort", abort);
    let timer = setTimeout(abort, limits.watchStartMs);
    let endpoint = "";
    let isBehind = false;
    try {
      counts.streams++;
      const stream = await client.stream("/v3/watch", this.#creation(), controller.signal);
      endpoint = stream.endpoint;
      for await (const line of jsonLines(stream.chunks, limits.watchMessageBytesMax)) {
        if (this.#ended.signal.aborted) return;
        clearTimeout(timer);
        timer = setTimeout(abort, limits.watchSilenceMs);
        isBehind = this.#receive(line, endpoint);
        if (isBehind) break;
      }
      if (!isBehind) throw new GatewayFailure("unknown", "it ends the watch");
    } catch (error) {
      isBehind = error instanceof JsonLineError;
      if (!isBehind) throw this.#failureOf(error, endpoint, controller.signal.aborted);
    } finally {
      clearTimeout(timer);
      this.#ended.signal.removeEventListener("abort", abort);
      controller.abort();
    }
    await this.#reset();
  }

  /** Takes a line. @returns whether the watcher needs a snapshot @throws GatewayFailure when etcd ends the watch */
  #receive(line: unknown, endpoint: string): boolean {
    const { storePrefix, watcher, position } = this.#parts;
    const { header } = (line as WatchLine | null)?.result ?? {};
    if (header !== undefined) position.note(header, endpoint);
    const news = watchNews(line, { prefix: storePrefix, after: this.#last });
    if (news.type === "ended") throw new GatewayFailure("unknown", news.reason);
    if (news.type === "compacted") return true;
    this.#failures = 0;
    for (const { version, changes } of news.revisions) {
      if (this.#ended.signal.aborted) return false; // the watcher has ended it
      this.#last = version;
      if (changes.length > 0) reporting(() => watcher.changed(changes, version));
    }
    return false;
  }

  async #reset(): Promise<void> {
    const { snapshot, prefix, watcher, counts } = this.#parts;
    const found = await snapshot(prefix);
    if (this.#ended.signal.aborted) return;
    counts.resets++;
    this.#last = found.version;
    reporting(() => watcher.reset(found));
  }

  #failureOf(error: unknown, endpoint: string, isTimeout: boolean): unknown {
    if (error instanceof MetadataStoreError) return error;
    if (endpoint !== "" && !this.#ended.signal.aborted) this.#parts.client.leave(endpoint);
    return error instanceof GatewayFailure ? error : connectionFailure(error, isTimeout);
  }

  #creation(): unknown {
    const { storePrefix, prefix } = this.#parts;
    const key = storePrefix + prefix;
    return {
      create_request: {
        key: encodeText(key),
        range_end: encodeText(endOfPrefix(key)),
        start_revision: String(this.#last + 1),
        progress_notify: true,
      },
    };
  }
}

/** Tells the watcher. @throws MetadataStoreError when it throws: it may have taken a part of the changes */
function reporting(call: () => void): void {
  try {
    call();
  } catch (error) {
    throw new MetadataStoreError(`A watcher of the metadata failed: ${error}`, { cause: error });
  }
}

/**
 * What a line of a watch says. Pure; the main isolate runs it.
 *
 * Source: etcd's documentation of the watch API; for repeated and earlier events etcd-io/etcd issues 15271 and 20221.
 */
import { MetadataStoreError, type StoreChange } from "../store/store.ts";
import { INTERNAL } from "../store/stored_text.ts";
import { decodeText, entryOf, revisionOf, type WatchLine } from "./gateway_messages.ts";

/** The changes of one transaction. */
export interface Revision {
  readonly version: number;
  /** Empty when the transaction changed only keys that the store keeps for itself. */
  readonly changes: readonly StoreChange[];
}

/** What became of the watch. */
export type WatchNews =
  | { readonly type: "changes"; readonly revisions: readonly Revision[] }
  /** The revisions that it would begin with are compacted. */
  | { readonly type: "compacted" }
  /** etcd has ended it. */
  | { readonly type: "ended"; readonly reason: string };

/**
 * Reads a line.
 * @param after version of the last transaction that was reported: a member may send it, and earlier ones, again
 * @throws MetadataStoreError when the line has another shape
 */
export function watchNews(line: unknown, { prefix, after }: { prefix: string; after: number }): WatchNews {
  const { result, error } = (typeof line === "object" && line !== null ? line : {}) as WatchLine;
  if (result === undefined) {
    const reason = error?.message ?? "it ends the watch without a reason";
    return reason.includes("compacted") ? { type: "compacted" } : { type: "ended", reason };
  }
  if (revisionOf(result.compact_revision) > 0) return { type: "compacted" };
  if (result.canceled === true) return { type: "ended", reason: result.cancel_reason ?? "it cancels the watch" };
  return { type: "changes", revisions: revisionsOf(result.events ?? [], { prefix, after }) };
}

type Events = NonNullable<NonNullable<WatchLine["result"]>["events"]>;

/** Events by transaction. All events of a transaction are in one line, because the watch does not ask for fragments. */
function revisionsOf(events: Events, { prefix, after }: { prefix: string; after: number }): Revision[] {
  const revisions: { version: number; changes: StoreChange[] }[] = [];
  let last = after;
  for (const { type, kv } of events) {
    if (kv === undefined) throw new MetadataStoreError("Cannot watch metadata in etcd: an event has no key");
    const version = revisionOf(kv.mod_revision);
    if (version > last) {
      last = version;
      revisions.push({ version, changes: [] });
    }
    const revision = revisions.at(-1);
    if (revision?.version !== version) continue; // seen before
    const key = decodeText(kv.key).slice(prefix.length);
    if (key.startsWith(INTERNAL)) continue;
    revision.changes.push(type === "DELETE" ? { key, deleted: true } : entryOf(kv, prefix));
  }
  return revisions;
}

/**
 * The worker of the metadata store: answers requests one by one, in order. It is kept small, because the broker waits for it at the start
 * (16 ms until it listens, 4 ms to create the file).
 */
import { assert } from "../../../storage/base/assert.ts";
import { describeFailure, SqliteDatabase } from "./sqlite_database.ts";
import type { StoreCallName, StoreCalls, StoreReply, StoreRequest } from "./sqlite_store_messages.ts";
import type { StoreChange, Transaction } from "./store.ts";

interface HeldLease {
  readonly ttlMs: number;
  timer: ReturnType<typeof setTimeout>;
}

/** A full disk refuses the deletion of an expired lease's keys: it is tried again after this time. */
const EXPIRE_AGAIN_MS = 1000;

/** Requests that change nothing. */
const reads: ReadonlySet<StoreCallName> = new Set(["get", "range", "snapshot"]);

type Handlers = { readonly [N in StoreCallName]: (args: StoreCalls[N]["args"]) => StoreCalls[N]["result"] };

const leases = new Map<number, HeldLease>();
let nextLease = 1;
let database: SqliteDatabase | null = null;
let path = "";

const handlers: Handlers = {
  open: (args) => {
    path = args.path;
    database = SqliteDatabase.open(path);
    return null;
  },
  get: ({ key }) => opened().get(key),
  range: ({ prefix }) => opened().range(prefix),
  snapshot: ({ prefix }) => ({ version: opened().version, entries: opened().range(prefix) }),
  transact: (transaction) => {
    const lost = transaction.set?.find(({ lease }) => lease !== undefined && !leases.has(lease));
    if (lost !== undefined) return { outcome: "refused", conflicts: [lost.key] };
    return transact(transaction);
  },
  grantLease: ({ ttlMs }) => {
    const lease = nextLease++;
    leases.set(lease, { ttlMs, timer: expireLater(lease, ttlMs) });
    return lease;
  },
  keepAlive: ({ lease }) => {
    const held = leases.get(lease);
    if (held === undefined) return false;
    clearTimeout(held.timer);
    held.timer = expireLater(lease, held.ttlMs);
    return true;
  },
  revokeLease: ({ lease }) => {
    endLease(lease);
    return null;
  },
  close: () => {
    for (const lease of [...leases.keys()]) endLease(lease);
    database?.[Symbol.dispose]();
    return null;
  },
};

function opened(): SqliteDatabase {
  assert(database !== null, "the metadata store is opened before it is used");
  return database;
}

function transact(transaction: Transaction) {
  const changes: StoreChange[] = [];
  const result = opened().transact(transaction, changes);
  if (changes.length > 0) post({ type: "changes", changes, version: opened().version });
  return result;
}

/** Deletes the keys of a lease. It stays when that is refused. */
function endLease(lease: number): void {
  const held = leases.get(lease);
  if (held === undefined) return;
  const keys = opened().keysOfLease(lease);
  if (keys.length > 0) transact({ delete: keys });
  clearTimeout(held.timer);
  leases.delete(lease);
}

function expireLater(lease: number, ttlMs: number): ReturnType<typeof setTimeout> {
  return setTimeout(() => expire(lease), ttlMs);
}

function expire(lease: number): void {
  try {
    endLease(lease);
  } catch (error) {
    const held = leases.get(lease);
    if (held === undefined || describeFailure(error, path, "write").fatal) throw error;
    held.timer = expireLater(lease, EXPIRE_AGAIN_MS);
  }
}

function post(reply: StoreReply): void {
  postMessage(reply);
}

self.addEventListener("message", ({ data }: MessageEvent<StoreRequest>) => {
  const handler = handlers[data.name] as (args: unknown) => unknown;
  try {
    post({ type: "result", id: data.id, result: handler(data.args) });
  } catch (error) {
    const doing = data.name === "open" ? "open" : reads.has(data.name) ? "read" : "write";
    post({ type: "failure", id: data.id, ...describeFailure(error, path, doing) });
  }
  if (data.name === "close") self.close();
});

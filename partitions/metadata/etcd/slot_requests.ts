/**
 * The requests that make a transaction safe to repeat, and what their answers say. Pure; the main isolate runs it.
 *
 * etcd may carry out a request whose answer is lost, also later. So every transaction compares and changes a key of its own, a _slot_: of
 * all copies of a request that arrive, the first one changes the slot, and the others fail by it. The slot then says how the first ended.
 *
 * ```
 *   ~owners/<owner>/<session>     session              a process that uses the store; written by open()
 *   ~slots/<owner>/<session>/<n>  session id outcome   outcome: free, committed, refused
 *
 *   absent ──create──► free ──transaction──► committed or refused ──transaction──► …
 *      ▲                │                           │
 *      └───────────── abandon ──────────────────────┘     no copy sent before can be carried out any more
 * ```
 *
 * A refused transaction changes its slot too: otherwise a late copy of it might find its comparisons true again. Abandoning deletes the
 * slot, because an etcd above its quota allows nothing but deletions.
 *
 * Each process has slots of its own: one that is started by mistake with the number of a broker that runs, and is refused by the cluster, must
 * not end that broker. The process that the cluster has registered deletes those of all others that it finds: what they sent, and died before
 * they knew the outcome, is not carried out from then on.
 */
import { ABSENT, type Transaction } from "../store/store.ts";
import {
  decodeText,
  encodeText,
  endOfPrefix,
  type GatewayCompare,
  type GatewayEntry,
  type GatewayOperation,
  type RangeAnswer,
  type RangeRequest,
  revisionOf,
  type TxnAnswer,
  type TxnRequest,
} from "./gateway_messages.ts";
import { assertStorable, INTERNAL } from "../store/stored_text.ts";

/** Where the keys of one process are. */
export interface SlotOwner {
  /** Before all keys of the store in etcd: "/barnabas/". */
  readonly prefix: string;
  /** Name of the broker. One process at a time is registered with it. */
  readonly owner: string;
  /** Names the process. */
  readonly session: string;
}

/** A slot. */
export interface Slot {
  /** Its key in etcd. */
  readonly key: string;
  /** Its version when the last request that changed it was answered; ABSENT: it has to be created. */
  version: number;
}

/** What a transaction's answer, or its slot, says. */
export type SlotOutcome =
  | { readonly outcome: "committed"; readonly version: number }
  /** `version` is the slot's now. */
  | { readonly outcome: "refused"; readonly conflicts: readonly string[]; readonly version: number }
  /** Another process has the slot. */
  | { readonly outcome: "taken" };

/** The slots of an owner, none of which exists yet. */
export function slotsOf(owner: SlotOwner, count: number): Slot[] {
  return Array.from({ length: count }, (_, index) => ({ key: `${slotsPrefix(owner)}${index}`, version: ABSENT }));
}

/** Key of this process's row in etcd. */
function ownerKey(owner: SlotOwner): string {
  return `${ownersPrefix(owner)}${owner.session}`;
}

function ownersPrefix({ prefix, owner }: SlotOwner): string {
  return `${prefix}${INTERNAL}owners/${owner}/`;
}

function slotsPrefix({ prefix, owner, session }: SlotOwner): string {
  return `${prefix}${INTERNAL}slots/${owner}/${session}/`;
}

/** Writes this process's row. */
export function ownRequest(owner: SlotOwner): TxnRequest {
  const key = ownerKey(owner);
  return { compare: [isAt(key, ABSENT)], success: [put(key, owner.session)], failure: [read(key)] };
}

/** Version of the row that `ownRequest()` wrote, or an earlier copy of it. */
export function ownedVersion(answer: TxnAnswer): number {
  if (answer.succeeded === true) return revisionOf(answer.header?.revision);
  return revisionOf(answer.responses?.[0]?.response_range?.kvs?.[0]?.mod_revision);
}

/** Reads the rows of all processes of the owner. @param limit of their count */
export function ownersRequest(owner: SlotOwner, limit: number): RangeRequest {
  const key = ownersPrefix(owner);
  return { key: encodeText(key), range_end: encodeText(endOfPrefix(key)), limit };
}

/** The other processes of the owner, from the answer to an `ownersRequest()`. */
export function otherSessions(answer: RangeAnswer, { session }: SlotOwner): string[] {
  return (answer.kvs ?? []).map((entry) => valueOf(entry) ?? "").filter((other) => other !== session);
}

/** Deletes rows and slots of other processes of the owner, if this process has its row still. */
export function claimRequest(owner: SlotOwner, others: readonly string[], ownerVersion: number): TxnRequest {
  const success = others.flatMap((session) => forget({ ...owner, session }));
  return { compare: [isAt(ownerKey(owner), ownerVersion)], success, failure: [] };
}

/** Deletes row and slots of this process: nothing that it has sent is carried out afterwards. */
export function leaveRequest(owner: SlotOwner): TxnRequest {
  return { compare: [], success: forget(owner), failure: [] };
}

function forget(owner: SlotOwner): GatewayOperation[] {
  const slots = slotsPrefix(owner);
  return [
    { request_delete_range: { key: encodeText(ownerKey(owner)) } },
    { request_delete_range: { key: encodeText(slots), range_end: encodeText(endOfPrefix(slots)) } },
  ];
}

/** Creates a slot, if this process has its row still. @param ownerVersion of the owner's row */
export function creationRequest(slot: Slot, owner: SlotOwner, ownerVersion: number): TxnRequest {
  return {
    compare: [isAt(ownerKey(owner), ownerVersion), isAt(slot.key, ABSENT)],
    success: [put(slot.key, stateOf(owner, "0", "free"))],
    failure: [read(slot.key)],
  };
}

/** Version of the slot that `creationRequest()` made, or an earlier copy of it; null when another process has it. */
export function createdVersion(answer: TxnAnswer, owner: SlotOwner): number | null {
  if (answer.succeeded === true) return revisionOf(answer.header?.revision);
  const found = answer.responses?.[0]?.response_range?.kvs?.[0];
  return found !== undefined && valueOf(found) === stateOf(owner, "0", "free") ? revisionOf(found.mod_revision) : null;
}

/** A transaction with its slot. @param id no other transaction of the session has it */
export function transactionRequest(
  transaction: Transaction,
  slot: Slot,
  { owner, id, leaseIds }: { owner: SlotOwner; id: string; leaseIds: ReadonlyMap<number, string> },
): TxnRequest {
  const { prefix } = owner;
  const compare = transaction.compare ?? [];
  const { set, deleted } = changesOf(transaction);
  const isCurrent = isAt(slot.key, slot.version);
  return {
    compare: [isCurrent, ...compare.map(({ key, version }) => isAt(prefix + key, version))],
    success: [
      put(slot.key, stateOf(owner, id, "committed")),
      ...deleted.map((key) => ({ request_delete_range: { key: encodeText(prefix + key) } })),
      ...set.map(({ key, value, lease }) =>
        put(prefix + key, value, lease === undefined ? undefined : leaseIds.get(lease))
      ),
    ],
    failure: [
      {
        request_txn: {
          compare: [isCurrent],
          success: [put(slot.key, stateOf(owner, id, "refused"))],
          failure: [read(slot.key)],
        },
      },
      ...compare.map(({ key }) => ({ request_range: { key: encodeText(prefix + key), keys_only: true } })),
    ],
  };
}

/** What the answer to a `transactionRequest()` says. */
export function transactionOutcome(
  answer: TxnAnswer,
  transaction: Transaction,
  { owner, id }: { owner: SlotOwner; id: string },
): SlotOutcome {
  if (answer.succeeded === true) return { outcome: "committed", version: revisionOf(answer.header?.revision) };
  const [first, ...rows] = answer.responses ?? [];
  const compare = transaction.compare ?? [];
  const differing = compare.filter(({ version }, index) =>
    revisionOf(rows[index]?.response_range?.kvs?.[0]?.mod_revision) !== version
  );
  // After an earlier copy was refused, the keys may have changed again.
  const conflicts = (differing.length === 0 ? compare : differing).map(({ key }) => key);
  const own = first?.response_txn;
  if (own?.succeeded === true) return { outcome: "refused", conflicts, version: revisionOf(answer.header?.revision) };
  return slotOutcome(own?.responses?.[0]?.response_range?.kvs?.[0], { owner, id, conflicts });
}

/** Ends all copies of a transaction that were not carried out yet. */
export function abandonRequest(slot: Slot, owner: SlotOwner): TxnRequest {
  return {
    compare: [isAt(slot.key, slot.version)],
    success: [{ request_delete_range: { key: encodeText(slot.key) } }],
    failure: [read(slot.key), read(ownerKey(owner))],
  };
}

/** How a transaction has ended, from the answer to an `abandonRequest()`. */
export function abandonedOutcome(
  answer: TxnAnswer,
  { owner, id, ownerVersion }: { owner: SlotOwner; id: string; ownerVersion: number },
): SlotOutcome {
  const abandoned = { outcome: "refused", conflicts: [] } as const;
  if (answer.succeeded === true) return { ...abandoned, version: ABSENT };
  const [slot, owned] = (answer.responses ?? []).map(({ response_range }) => response_range?.kvs?.[0]);
  // An earlier copy of this request has deleted the slot: as this process's row is the same, nobody else has.
  const isOwner = owned !== undefined && revisionOf(owned.mod_revision) === ownerVersion;
  if (slot === undefined && isOwner) return { ...abandoned, version: ABSENT };
  // And a late copy of the slot's creation has made it again.
  if (valueOf(slot) === stateOf(owner, "0", "free")) return { ...abandoned, version: revisionOf(slot?.mod_revision) };
  return slotOutcome(slot, { owner, id, conflicts: [] });
}

function slotOutcome(
  slot: GatewayEntry | undefined,
  { owner, id, conflicts }: { owner: SlotOwner; id: string; conflicts: readonly string[] },
): SlotOutcome {
  const version = revisionOf(slot?.mod_revision);
  switch (valueOf(slot)) {
    case stateOf(owner, id, "committed"):
      return { outcome: "committed", version };
    case stateOf(owner, id, "refused"):
      return { outcome: "refused", conflicts, version };
    default:
      return { outcome: "taken" };
  }
}

/** What a transaction changes; etcd refuses one that names a key twice. A key that is deleted and set is set. */
function changesOf(transaction: Transaction) {
  const set = new Map((transaction.set ?? []).map((assignment) => [assignment.key, assignment]));
  for (const { key, value } of set.values()) assertStorable(key, value);
  const deleted = new Set((transaction.delete ?? []).filter((key) => !set.has(key)));
  return { set: [...set.values()], deleted: [...deleted] };
}

function stateOf({ session }: SlotOwner, id: string, outcome: "free" | "committed" | "refused"): string {
  return `${session} ${id} ${outcome}`;
}

function valueOf(entry: GatewayEntry | undefined): string | null {
  return entry === undefined ? null : decodeText(entry.value);
}

function isAt(key: string, version: number): GatewayCompare {
  return { key: encodeText(key), target: "MOD", result: "EQUAL", mod_revision: String(version) };
}

function read(key: string): GatewayOperation {
  return { request_range: { key: encodeText(key) } };
}

function put(key: string, value: string, lease?: string): GatewayOperation {
  const put = { key: encodeText(key), value: encodeText(value) };
  return { request_put: lease === undefined ? put : { ...put, lease } };
}

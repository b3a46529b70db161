/**
 * From the transactions of the state machines to those of the metadata store. Pure; the main isolate.
 *
 * A transaction is never divided. Those that change rows of partitions may be joined, up to what the store takes: then all of them are
 * committed, or none.
 */
import { assert } from "../../../storage/base/assert.ts";
import type { StoreLimits, Transaction as StoreTransaction } from "../../metadata/store/store.ts";
import type { Comparison, Transaction, Write } from "../cluster_image.ts";
import {
  CONTROLLER,
  partitionStoreKey,
  partitionValue,
  registrationKey,
  type RegistrationRow,
  rewritten,
  stateKey,
} from "../cluster_rows.ts";
import type { LiveImage } from "../live_image.ts";

/** What a transaction of the store needs beside the image. */
export interface WritingParts {
  readonly image: Pick<LiveImage, "partitions" | "entry">;
  /** What a process says of itself, for those who register some. */
  registrationOf?(incarnation: string): RegistrationRow;
  /** Where other brokers reach this one, and the lease of the controller's key; for candidates. */
  readonly controller?: { readonly host: string; readonly port: number; readonly lease: number };
}

/** One or several transactions, as the store gets them. */
export interface JoinedTransaction {
  /** The transactions, each with the comparisons that it brings. */
  readonly parts: readonly { readonly transaction: Transaction; readonly compare: readonly KeyVersion[] }[];
  readonly stored: StoreTransaction;
}

/** A key with a version that is compared. */
export interface KeyVersion {
  readonly key: string;
  readonly version: number;
}

/** Rows in one transaction: one that loses a comparison is decided anew, and so are all that were joined with it. */
const ROWS_JOINED_MAX = 256;

/** What a comparison compares in the store. */
export function storeComparison(comparison: Comparison): KeyVersion {
  const { version } = comparison;
  switch (comparison.kind) {
    case "row":
      return { key: partitionStoreKey(comparison.partition), version };
    case "state":
      return { key: stateKey(comparison.broker), version };
    case "registration":
      return { key: registrationKey(comparison.broker), version };
    case "controller":
      return { key: CONTROLLER, version };
  }
}

/**
 * Makes the store's transaction of the first of several transactions, with as many of the next ones as may be joined with it.
 * @param transactions no two about one subject; the rest of them is not asked for
 */
export function joinTransactions(
  transactions: Iterable<Transaction>,
  parts: WritingParts,
  limits: StoreLimits,
): JoinedTransaction {
  const joined: { transaction: Transaction; compare: KeyVersion[] }[] = [];
  const versions = new Map<string, number>();
  const set: NonNullable<StoreTransaction["set"]>[number][] = [];
  let bytes = 0;
  for (const transaction of transactions) {
    const compare = transaction.comparisons.map(storeComparison);
    const added = transaction.writes.map((write) => assignment(write, parts));
    const newKeys = compare.filter(({ key }) => !versions.has(key));
    const addedBytes = [...newKeys.map(({ key }) => key.length), ...added.map(bytesOf)].reduce((a, b) => a + b, 0);
    if (joined.length > 0) {
      const hasRoom = versions.size + newKeys.length <= limits.transactionKeysMax &&
        set.length + added.length <= Math.min(limits.transactionKeysMax, ROWS_JOINED_MAX) &&
        bytes + addedBytes <= limits.transactionBytesMax;
      const isSame = compare.every(({ key, version }) => (versions.get(key) ?? version) === version);
      if (!hasRoom || !isSame || !changesRows(transaction)) break;
    }
    joined.push({ transaction, compare });
    for (const { key, version } of newKeys) versions.set(key, version);
    for (const one of added) set.push(one);
    bytes += addedBytes;
    if (!changesRows(transaction)) break;
  }
  const compare = [...versions].map(([key, version]) => ({ key, version }));
  return { parts: joined, stored: { compare, set } };
}

function changesRows({ writes }: Transaction): boolean {
  return writes.every(({ kind }) => kind === "row");
}

function assignment(write: Write, parts: WritingParts): { key: string; value: string; lease?: number } {
  const { image } = parts;
  switch (write.kind) {
    case "row": {
      const key = partitionStoreKey(write.partition);
      const last = image.partitions.get(write.partition)?.row;
      assert(last !== undefined, "a row that is changed is in the image, which was compared");
      return { key, value: partitionValue(write.row, last) };
    }
    case "state": {
      const key = stateKey(write.broker);
      return { key, value: rewritten(image.entry(key), { state: write.state }) };
    }
    case "registration": {
      const row = parts.registrationOf?.(write.incarnation);
      assert(row !== undefined, "a process is registered with what it says of itself");
      return { key: registrationKey(write.broker), value: rewritten(null, row) };
    }
    case "controller": {
      const { broker, incarnation } = write;
      assert(parts.controller !== undefined, "a controller has an address and a lease");
      const { host, port, lease } = parts.controller;
      return { key: CONTROLLER, value: rewritten(null, { broker, incarnation, host, port }), lease };
    }
  }
}

/** Bytes that a key and its value take in a request: text beyond ASCII takes more than a character. */
function bytesOf({ key, value }: { key: string; value: string }): number {
  return key.length + 3 * value.length;
}

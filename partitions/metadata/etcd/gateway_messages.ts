/**
 * What etcd's JSON gateway is sent and what it answers: the fields that the store uses. Pure; the main isolate runs it.
 *
 * Bytes are base64. 64-bit numbers are texts in answers, and ids of clusters, members and leases exceed 2^53: they stay texts. Fields that
 * are zero, empty or false are absent. Answers come from a socket: whatever has another shape is refused with a sentence.
 * Source: etcd's rpc.proto and kv.proto, tried with 3.4.23 and 3.6.14.
 */
import { MetadataStoreError, type StoredEntry } from "../store/store.ts";

/** Header of every answer. */
export interface AnswerHeader {
  readonly cluster_id?: string;
  readonly member_id?: string;
  readonly revision?: string;
}

/** A key as etcd keeps it. */
export interface GatewayEntry {
  readonly key?: string;
  readonly value?: string;
  readonly mod_revision?: string;
}

/** A condition on the revision of a key. */
export interface GatewayCompare {
  readonly key: string;
  readonly target: "MOD";
  readonly result: "EQUAL";
  readonly mod_revision: string;
}

/** A read. */
export interface RangeRequest {
  readonly key: string;
  readonly range_end?: string;
  readonly limit?: number;
  readonly revision?: string;
  readonly keys_only?: boolean;
}

/** An operation of a transaction. */
export type GatewayOperation =
  | { readonly request_put: { readonly key: string; readonly value: string; readonly lease?: string } }
  | { readonly request_range: RangeRequest }
  | { readonly request_delete_range: { readonly key: string; readonly range_end?: string } }
  | { readonly request_txn: TxnRequest };

/** A transaction. */
export interface TxnRequest {
  readonly compare: readonly GatewayCompare[];
  readonly success: readonly GatewayOperation[];
  readonly failure: readonly GatewayOperation[];
}

/** Answer to a read. */
export interface RangeAnswer {
  readonly header?: AnswerHeader;
  readonly kvs?: readonly GatewayEntry[];
  readonly more?: boolean;
}

/** Answer to a transaction. */
export interface TxnAnswer {
  readonly header?: AnswerHeader;
  readonly succeeded?: boolean;
  readonly responses?: readonly {
    readonly response_range?: RangeAnswer;
    readonly response_txn?: TxnAnswer;
  }[];
}

/** One line of a watch. */
export interface WatchLine {
  readonly result?: {
    readonly header?: AnswerHeader;
    readonly created?: boolean;
    readonly canceled?: boolean;
    readonly cancel_reason?: string;
    readonly compact_revision?: string;
    readonly events?: readonly { readonly type?: "PUT" | "DELETE"; readonly kv?: GatewayEntry }[];
  };
  /** Ends the stream. `grpc_code` in 3.4, `code` later. */
  readonly error?: { readonly grpc_code?: number; readonly code?: number; readonly message?: string };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text as the base64 of its UTF-8. */
export function encodeText(text: string): string {
  return encoder.encode(text).toBase64();
}

/** The opposite. @throws MetadataStoreError when it is no text */
export function decodeText(base64: string | undefined): string {
  if (base64 === undefined) return "";
  try {
    return decoder.decode(Uint8Array.fromBase64(base64));
  } catch (error) {
    throw new MetadataStoreError(
      `Cannot read metadata from etcd: a key or value is not text (${base64.slice(0, 80)})`,
      {
        cause: error,
      },
    );
  }
}

/** A revision. @throws MetadataStoreError when it is not a number that is exact in JavaScript */
export function revisionOf(text: string | undefined): number {
  const revision = Number(text ?? 0);
  if (Number.isSafeInteger(revision) && revision >= 0) return revision;
  throw new MetadataStoreError(`Cannot read metadata from etcd: "${String(text).slice(0, 40)}" is no revision`);
}

/** The first key behind all keys with a prefix, whose last character is below "~". */
export function endOfPrefix(prefix: string): string {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

/** An entry of the store. @param prefix of the store, which the store's keys lack */
export function entryOf(kv: GatewayEntry, prefix: string): StoredEntry {
  const key = decodeText(kv.key).slice(prefix.length);
  return { key, value: decodeText(kv.value), version: revisionOf(kv.mod_revision) };
}

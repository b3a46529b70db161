/** How a coordinator's records become bytes of its log, and back. Types only. */

/** A record's bytes. */
export interface RecordBytes {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Records as bytes, and back. */
export interface RecordCodec<Entry> {
  /** @returns null when it is too large to be written */
  encode(record: Entry): RecordBytes | null;
  /** @returns null for a record that cannot be read; `unread()` says why. Never throws */
  decode(key: Uint8Array | null, value: Uint8Array | null): Entry | null;
  /** Why a record cannot be read. */
  unread(key: Uint8Array | null, value: Uint8Array | null): "later-type" | "later-version" | "damaged";
}

/** The codec between a coordinator's records and the bytes of its log. Types only. */

/** The encoded form of a record. */
export interface RecordBytes {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Encodes and decodes records. */
export interface RecordCodec<Entry> {
  /** @returns null when the record is too large to be written */
  encode(record: Entry): RecordBytes | null;
  /** @returns null for a record that cannot be read; `unread()` says why. Never throws */
  decode(key: Uint8Array | null, value: Uint8Array | null): Entry | null;
  /** Tells why a record cannot be read. */
  unread(key: Uint8Array | null, value: Uint8Array | null): "later-type" | "later-version" | "damaged";
}

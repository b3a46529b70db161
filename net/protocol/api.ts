/**
 * What the protocol knows about an API: its key and name, the versions that are served, its messages, and what one request may
 * hold. Each API is declared beside its handler (net/handlers/NN_name.ts). Plain data; runs in any isolate.
 */
import type { Message } from "./schema.ts";

/** Lowest and highest version, both inclusive. */
export type Versions = readonly [min: number, max: number];

/** One API. */
export interface Api {
  readonly key: number;
  /** Kafka's name of the API. */
  readonly name: string;
  readonly request: Message;
  readonly response: Message;
  /** Versions that are answered. */
  readonly served: Versions;
  /** Versions that ApiVersions lists; null for an API between brokers, which clients do not use. */
  readonly advertised: Versions | null;
  /** Largest number of array elements in one request. */
  readonly elementsMax: number;
  /** Whether its handler changes nothing. Such a handler may throw at the cost of its connection alone. */
  readonly isReadOnly: boolean;
}

/**
 * Largest number of array elements and tagged fields in a request. An element of one byte on the wire may take some hundred bytes of
 * heap and half a microsecond. Without this limit a request of 100 MB would take gigabytes and minutes. A request that names every
 * partition of a broker with 4,000 partitions (Kafka's advice) stays far below.
 *
 * V8 puts arrays of more than 16,382 elements (128 KiB) into its space for large objects. A dead one keeps what it refers to there until
 * the next full collection.
 *
 * An API allows fewer where it carries out all elements in one go: the control plane copies each and takes some microseconds for it,
 * and a coordinator checks each member, group or protocol. Clients name a few.
 */
export const REQUEST_ELEMENTS_MAX = 16_000;

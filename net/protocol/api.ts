/**
 * What the protocol knows of an API: its key and name, the versions that are served, its messages, and what one request may
 * hold. Each API is declared beside its handler (net/handlers/NN_name.ts). Plain data, any isolate.
 */
import type { Message } from "./schema.ts";

/** Lowest and highest version, both inclusive. */
export type Versions = readonly [min: number, max: number];

/** One API. */
export interface Api {
  readonly key: number;
  /** Kafka's name for it. */
  readonly name: string;
  readonly request: Message;
  readonly response: Message;
  /** Versions that are answered. */
  readonly served: Versions;
  /** Versions that ApiVersions lists. */
  readonly advertised: Versions;
  /** Most array elements of one request. */
  readonly elementsMax: number;
  /** Whether its handler changes nothing: one that throws costs its connection alone. */
  readonly isReadOnly: boolean;
}

/**
 * Most array elements and tagged fields of a request. An element costs some hundred bytes of heap for as little as one byte on the wire,
 * and half a microsecond, so that without this limit a request of 100 MB would take gigabytes and minutes. One that names every
 * partition of a broker of 4,000 (Kafka's advice) stays far below.
 *
 * An API allows fewer where it carries all of them out in one go: the control plane copies each and takes some microseconds for it; a
 * coordinator looks at each member, group or protocol. Clients name a few.
 */
export const REQUEST_ELEMENTS_MAX = 1 << 14;

/**
 * What the HTTP listener takes at most. Whatever connects costs no more than this, and the worker has a tenth of a core at most while
 * others want it (http_worker.ts).
 */
export const HTTP_LIMITS = {
  /**
   * Open connections. For one more, one without a request is closed, or one that has had its time; else it waits. So a listener that is
   * full of idle scrapers, or of readers that never read, still answers the next one. net/accept/descriptor_budget.ts keeps descriptors
   * for them.
   */
  connectionsMax: 128,
  /** Time that a connection has when others wait. */
  fairMs: 1000,
  /** How often connections are looked at while others wait. */
  roomMs: 20,
  /** Bytes of a request with its headers; Prometheus sends about 300. */
  headBytesMax: 8 * 1024,
  /** From the first byte of a request, or the opening of a connection, to the request's end. */
  requestMsMax: 5000,
  /** Without a request. Prometheus scrapes each minute at least, and opens a new connection where this one was closed. */
  idleMsMax: 90_000,
  /** For the reader of an answer; Prometheus' own limit is 10 s. */
  writeMsMax: 10_000,
  /** For the main isolate's answer. A broker that takes longer is not well; metrics of very many partitions take seconds on a slow machine. */
  answerMs: { metrics: 8000, health: 2000, ready: 2000 },
  /** A page is answered again for so long. */
  pageMs: { metrics: 500, health: 100, ready: 500 },
  /** Metric pages in memory: who still reads an older one is cut off. */
  pagesMax: 8,
  /** How often time limits are looked at. */
  sweepMs: 500,
  /** Pause after an accept that failed: descriptors are short. */
  acceptRetryMs: 100,
} as const;

/** The limits; tests use others. */
export type HttpLimits = {
  readonly [Name in keyof typeof HTTP_LIMITS]: (typeof HTTP_LIMITS)[Name] extends number ? number
    : Readonly<Record<keyof (typeof HTTP_LIMITS)[Name], number>>;
};

/** Where a program of a cluster runs in a test. */
export interface Place {
  /** The address at which it listens. */
  readonly host: string;
  /** Words before its command line. They keep the process id. */
  readonly words: readonly string[];
}

/** Beside the test, on 127.0.0.1. */
export const HERE: Place = { host: "127.0.0.1", words: [] };

/**
 * Times and sizes of an etcd that the broker starts itself. Plain data. Tests start theirs with other times.
 */

/** Times in milliseconds, sizes in bytes. */
export interface ManagedLimits {
  /** How long etcd may take from its start until it answers; a slow disk takes seconds. */
  readonly startMs: number;
  /** How often it is asked meanwhile. */
  readonly askMs: number;
  /** How long it may take to stop by itself; then it is killed. */
  readonly stopMs: number;
  /** The pause before it is started again; each further one in a row is twice as long, up to `pauseMaxMs`. */
  readonly pauseMs: number;
  readonly pauseMaxMs: number;
  /** Starts in a row, each of which failed or lasted less than `steadyMs`: after them nothing starts it again. */
  readonly startsMax: number;
  /** A process that has run for so long ends the row. */
  readonly steadyMs: number;
  /** How often a process that this broker has not started itself is looked for: nothing else says that it has ended. */
  readonly watchMs: number;
  /** A log above this size is put aside at the next start; the one before it is removed. */
  readonly logBytesMax: number;
}

/** The limits of a broker. */
export const managedLimits: ManagedLimits = {
  startMs: 20_000,
  askMs: 50,
  stopMs: 10_000,
  pauseMs: 100,
  pauseMaxMs: 10_000,
  startsMax: 10,
  steadyMs: 60_000,
  watchMs: 500,
  logBytesMax: 4 * 1024 * 1024,
};

/**
 * What a kind of coordinator supplies to the runtime: its topic, the codec of its records, and the state they produce. Types only; the
 * implementations run on shards.
 *
 * A request works in this order: check; make records; `log.append(records)`, or `log.gather()` until the turn's end; change the state if
 * the code is 0; reply. State that is in the log changes only through appended records: a refused append leaves nothing to undo, and
 * loading the log again gives the same state. The runtime holds a reply back until the records appended before it are below the high
 * watermark.
 */
import type { BackgroundWork } from "./background_work.ts";
import type { RecordCodec } from "./record_codec.ts";
import type { RecordLog } from "./record_log.ts";
import type { Work } from "./sliced_work.ts";

/** A deleted topic. */
export interface DeletedTopic {
  readonly name: string;
  readonly id: string;
}

/** The state of one partition of the coordinator's topic. */
export interface StateMachine<Entry> {
  /** Applies a record of the log, live and at load. */
  replay(record: Entry): void;
  /** Starts the state (its timers, for example) in steps, after all records were replayed. */
  start(): Work;
  /** Topics were created, changed or deleted. Not called before `start()` has ended. */
  onTopicsChanged(names: ReadonlySet<string>): void;
  /** Topics were deleted. Not called before `start()` has ended. */
  onTopicsDeleted(topics: readonly DeletedTopic[]): void;
  /** Removes expired state, in slices. */
  expire(): Work;
  /** Ends the state when the partition resigns: answers all waiting requests. @param code the error they get */
  dispose(code: number): void;
}

/** One kind of coordinator. */
export interface CoordinatorKind<Entry, Machine extends StateMachine<Entry>> {
  /** Its internal topic. */
  readonly topic: string;
  /** The plural noun of what it coordinates, for messages: "groups". */
  readonly coordinates: string;
  readonly codec: RecordCodec<Entry>;
  /** Time between two searches for expired state. */
  readonly expiryIntervalMs: number;
  /** Makes the empty state of a partition. */
  make(log: RecordLog<Entry>, background: BackgroundWork): Machine;
}

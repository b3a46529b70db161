/**
 * What a coordinator brings to the runtime: its topic, the bytes of its records, and the state that they make. Types only; shards run
 * what is built on them.
 *
 * A request works in this order: check; make records; `log.append(records)`, or `log.gather()` until the turn's end; when that says 0,
 * the state changes; reply. State that is in the log changes only by records that were appended, so a refused append leaves
 * nothing to undo, and loading the log again gives the same state. The runtime holds a reply back until what was appended before
 * it is below the high watermark.
 */
import type { BackgroundWork } from "./background_work.ts";
import type { RecordCodec } from "./record_codec.ts";
import type { RecordLog } from "./record_log.ts";
import type { Work } from "./sliced_work.ts";

/** A topic that is gone. */
export interface DeletedTopic {
  readonly name: string;
  readonly id: string;
}

/** The state of one partition of the coordinator's topic. */
export interface StateMachine<Entry> {
  /** Applies a record of the log, live and at load. */
  replay(record: Entry): void;
  /** All records were replayed: the state begins to live, in steps. */
  start(): Work;
  /** Topics came, changed or went; not before it lives. */
  onTopicsChanged(names: ReadonlySet<string>): void;
  /** Topics are gone for good; not before it lives. */
  onTopicsDeleted(topics: readonly DeletedTopic[]): void;
  /** Removes what has expired, in slices. */
  expire(): Work;
  /** The partition is resigned: everybody who waits is answered. @param code what they are told */
  dispose(code: number): void;
}

/** One kind of coordinator. */
export interface CoordinatorKind<Entry, Machine extends StateMachine<Entry>> {
  /** Its internal topic. */
  readonly topic: string;
  /** What it coordinates, for sentences: "groups". */
  readonly coordinates: string;
  readonly codec: RecordCodec<Entry>;
  /** Between two looks for what has expired. */
  readonly expiryIntervalMs: number;
  /** Makes the state of a partition, which is empty yet. */
  make(log: RecordLog<Entry>, background: BackgroundWork): Machine;
}

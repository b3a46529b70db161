/** Faults that the rig injects, one at a time. A new fault is a value of `Fault` in a list that a test runs. Main isolate of a test. */
import type { Random } from "../random.ts";
import type { ReplicationRig } from "./replication_rig.ts";

/**
 * What happens to writes with acks=all while a fault lasts, on every partition of the topic (each has a replica on every broker):
 * - `resume`: what is sent after the fault has begun is acknowledged, within this many ms on a loaded machine
 * - `stop`: nothing that is sent after the fault has begun is acknowledged
 * - `any`: either
 */
export type ExpectedWrites = { readonly resumeWithinMs: number } | "stop" | "any";

/** A fault that has begun. */
export interface AppliedFault {
  /** On what: "broker 2, the controller". */
  readonly what: string;
  readonly writes: ExpectedWrites;
  /** Whether partitions may get other leaders meanwhile; true by default. */
  readonly mayElect?: boolean;
  /** It lasts at least so long. */
  readonly lastsMs: number;
  /** Ends it. What has to be running afterwards is running when this settles; the rig then waits until all replicas are in sync again. */
  undo(): Promise<void>;
}

/** A kind of fault. */
export interface Fault {
  readonly name: string;
  /** Whether it is possible in this cluster; always by default. */
  isPossible?(rig: ReplicationRig): boolean;
  /** Begins it. All brokers run and all replicas are in sync. @param random the only source of choices */
  apply(rig: ReplicationRig, random: Random): Promise<AppliedFault>;
}

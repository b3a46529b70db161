/**
 * What tests of a single partition share: the partition over a log in memory, and what it reported. Tests only.
 */
import { strict as assert } from "node:assert";
import { ManualClock } from "../../storage/base/clock.ts";
import type { Offset } from "../../storage/base/units.ts";
import type { LogConfig } from "../../storage/log/log_config.ts";
import type { FlushRequest } from "../../storage/log/log_types.ts";
import type { FlushOutcome } from "../../storage/sys/flush_outcome.ts";
import { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { openLog } from "../../tests/log_fixture.ts";
import { inMemory, TEST_TIMESTAMP } from "../../tests/record_batch_builder.ts";
import { emptyReadOutcome, type ReadOutcome, type ReadRequest } from "../requests/outcomes.ts";
import { Partition } from "./partition.ts";
import type { PartitionOwner } from "./partition_parts.ts";
import { batchOf, deafOwner, flushOn, smallLogs } from "./partition_testing.ts";
import { emptyWatermarks, type Watermarks, WatermarkTable } from "../shared/watermarks.ts";

/** The row of the partition. */
export const SLOT = 3;
/** Epoch in which it is first led. */
export const EPOCH = 5;

/** A partition over a log in memory, and what it reported. */
export class Fixture {
  readonly files = new CrashingFileSystem(() => 0.5);
  readonly table = new WatermarkTable(WatermarkTable.allocate());
  readonly moved: number[] = [];
  readonly troubles: string[] = [];
  readonly flushes: { request: FlushRequest; done: (outcome: FlushOutcome) => void }[] = [];
  /** Whether each of the flushes that were asked for is a retry. */
  readonly needed: boolean[] = [];
  /** Where the log was cut off. */
  readonly truncatedTo: number[] = [];
  /** Files that have to be removed. */
  readonly removed: string[] = [];
  /** How often the log went offline. */
  offline = 0;
  /** How often the log start moved. */
  logStartMoves = 0;
  readonly config: LogConfig;
  readonly partition: Partition;

  constructor(changes: Partial<LogConfig> = {}) {
    this.config = { ...smallLogs, ...changes };
    this.partition = this.open(EPOCH);
  }

  /** Opens the log as a new leader, or as a follower with a checkpointed high watermark. */
  open(leaderEpoch: number, followsFrom: Offset | null = null): Partition {
    const log = openLog("/logs/t-0", { fs: this.files.fileSystem, config: this.config, clock: new ManualClock() });
    const owner: PartitionOwner = {
      ...deafOwner,
      onProgress: (slot) => void this.moved.push(slot),
      mayFlush: () => true,
      onFlush: (request, done) => void this.flushes.push({ request, done }),
      onFlushNeeded: (_slot, isRetry) => void this.needed.push(isRetry),
      onSegmentsBelowStart: () => void this.logStartMoves++,
      onOffline: () => void this.offline++,
      onTruncated: (_slot, endOffset) => void this.truncatedTo.push(endOffset),
      onFilesRemoved: (paths) => void this.removed.push(...paths),
      onTrouble: (_slot, text) => void this.troubles.push(text),
    };
    const { config, table } = this;
    return new Partition(log, { slot: SLOT, leaderEpoch, followsFrom, config, table, owner });
  }

  append(...values: string[]) {
    return this.partition.append(inMemory(batchOf(...values), 64), TEST_TIMESTAMP);
  }

  /** Executes the flush that a group would. @returns its outcome */
  flush(): FlushOutcome {
    const request = this.partition.beginFlush();
    assert.ok(request !== null);
    const outcome = flushOn(this.files, request);
    this.partition.endFlush(request, outcome);
    return outcome;
  }

  row(): Watermarks {
    return this.table.read(SLOT, emptyWatermarks());
  }

  /** Reads, and returns a lent slice at once. */
  read(request: ReadRequest): ReadOutcome {
    const outcome = emptyReadOutcome();
    this.partition.read(request, outcome);
    if (outcome.length > 0) this.partition.log.release(outcome.lease);
    return outcome;
  }
}

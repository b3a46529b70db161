/** Random settings and records of the log of the storage simulation: small segments, few keys, and any policy. Test code. */
import type { LogConfig } from "../storage/log/log_config.ts";
import { testConfig } from "./log_fixture.ts";
import type { TestRecord } from "./record_batch_builder.ts";

const SECOND_MS = 1000;

/** Settings of a log. @param random uniform in [0, 1) @param deleteRetentionMs `delete.retention.ms` */
export function randomConfig(random: () => number, deleteRetentionMs: number): LogConfig {
  return {
    ...testConfig,
    segmentBytes: 500 + Math.floor(random() * 1000),
    segmentIndexBytes: 4096,
    indexIntervalBytes: 1 + Math.floor(random() * 300),
    segmentMs: random() < 0.3 ? 20 * SECOND_MS : Infinity,
    preallocate: random() < 0.2,
    appendMode: random() < 0.5 ? "pwrite" : "mapped",
    minCleanableDirtyRatio: random() * 0.5,
    minCompactionLagMs: random() < 0.2 ? 5 * SECOND_MS : 0,
    maxCompactionLagMs: random() < 0.2 ? 20 * SECOND_MS : Infinity,
    deleteRetentionMs,
    ...randomPolicy(random),
  };
}

/** A policy, which may be changed at any time. */
export function randomPolicy(random: () => number) {
  const policy = Math.floor(random() * 3);
  return {
    compact: policy > 0,
    delete: policy !== 1,
    retentionMs: random() < 0.5 ? -1 : Math.floor(5 + random() * 60) * SECOND_MS,
    retentionBytes: random() < 0.5 ? -1 : Math.floor(random() * 6000),
  };
}

/** The records of a batch. @param by compact: whether each has to have a key */
export function randomRecords(
  random: () => number,
  { keysCount, nowMs, compact }: { keysCount: number; nowMs: number; compact: boolean },
): TestRecord[] {
  const below = (limit: number) => Math.floor(random() * limit);
  return Array.from({ length: 1 + below(3) }, (): TestRecord => ({
    key: compact || random() < 0.5 ? `k${below(keysCount)}` : null,
    value: random() < 0.25 ? null : `${below(1_000_000)} `.repeat(1 + below(12)),
    timestamp: nowMs - below(2 * SECOND_MS),
  }));
}

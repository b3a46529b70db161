/**
 * Shapes of the life of a log: compaction, retention, and starts. Each run has new brokers, whose settings and whose end are part of the
 * shape; compaction warms them before it counts. Main isolate.
 */
import { measureCommitLoading } from "../lifecycle/commit_loading.ts";
import { measureCompaction } from "../lifecycle/compaction.ts";
import { measureExpiry } from "../lifecycle/expiry.ts";
import { startAfterKill, startWithManyPartitions } from "../lifecycle/starts.ts";
import type { Shape } from "../shape.ts";

/** The lifecycle shapes of the report. */
export const lifecycleShapes: readonly Shape[] = [
  {
    name: "compact-2g",
    title: "Compaction of 2 GB of 1 KB records with 10 % live keys; how long another client waits meanwhile, and " +
      "beside produce requests of as many bytes a second",
    quick: false,
    warmRunsMax: 0,
    run: measureCompaction,
  },
  {
    name: "commits-load",
    title: "1 M commits of 1,000 offsets: from the first answer after a restart to the first answer with offsets, " +
      "before and after compaction with offsets.topic.segment.bytes=1 MiB",
    quick: false,
    warmRunsMax: 0,
    run: measureCommitLoading,
  },
  {
    name: "start-1000",
    title: "A start with 1,000 partitions that have records, after a clean stop",
    quick: false,
    warmRunsMax: 0,
    run: startWithManyPartitions,
  },
  {
    name: "start-killed",
    title: "A start with 20 GB in 20 partitions after kill -9",
    quick: false,
    warmRunsMax: 0,
    run: startAfterKill,
  },
  {
    name: "retention-10000",
    title: "10,000 closed segments of one partition expire at once: how long another client waits meanwhile",
    quick: false,
    warmRunsMax: 0,
    run: measureExpiry,
  },
];

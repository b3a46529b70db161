/**
 * Every question. Its index in this list is the number that travels in ring records. Written by `deno task generate` from the files of
 * this folder; each declares its question. Plain data; shards.
 */
import { activeProducers } from "./active_producers.ts";
import { deleteRecords } from "./delete_records.ts";
import { epochEnd } from "./epoch_end.ts";
import { listOffsets } from "./list_offsets.ts";
import { logSize } from "./log_size.ts";
import type { AnyQuestion } from "./question.ts";

/** The list. */
export const questions: readonly AnyQuestion[] = [
  activeProducers,
  deleteRecords,
  epochEnd,
  listOffsets,
  logSize,
];

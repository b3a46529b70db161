/**
 * Every question, by the number that travels in ring records: its place in this list. Each has a file of its own here, which its
 * handler imports; a test checks that none is missing. Plain data; shards.
 */
import { deleteRecords } from "./delete_records.ts";
import { epochEnd } from "./epoch_end.ts";
import { listOffsets } from "./list_offsets.ts";
import type { AnyQuestion } from "./question.ts";

/** The list. */
export const questions: readonly AnyQuestion[] = [deleteRecords, epochEnd, listOffsets];

/**
 * What a change of topics or configs answers when the disk refuses it: KAFKA_STORAGE_ERROR with a sentence. Everything else goes on, and
 * the change can be asked for again when the disk has room. Main isolate.
 *
 * A damaged store, one that has lost its file, and a failed flush are no refusals: they end the broker (sqlite_database.ts). Kafka's
 * controller also ends when it cannot write its metadata log; there, a full disk is such a case.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { storageFailure } from "../../../storage/control.ts";
import { CheckpointError } from "../../directory/checkpoint_writer.ts";
import { MetadataRefusedError } from "../store/store.ts";
import type { CreationRefusal } from "../topic_creation.ts";

/** The refusal of a change by the disk. */
export function refusedByDisk(sentence: string): CreationRefusal {
  return { errorCode: errorCode.KAFKA_STORAGE_ERROR, errorMessage: sentence };
}

/**
 * The sentence of a disk's refusal.
 * @param error what was caught @throws the error itself when the disk did not refuse
 */
export function sentenceOfDisk(error: unknown): string {
  if (error instanceof MetadataRefusedError || error instanceof CheckpointError) return error.message;
  return storageFailure(error);
}

/** Makes a change. @returns null, or the refusal when the disk refused it before anything changed */
export async function refusalOf(change: () => Promise<void>): Promise<CreationRefusal | null> {
  try {
    await change();
    return null;
  } catch (error) {
    return refusedByDisk(sentenceOfDisk(error));
  }
}

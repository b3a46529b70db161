/**
 * `.kafka_cleanshutdown`: its presence in a log directory says that all logs were closed cleanly. Runs on the isolate that
 * starts and stops the broker's logs.
 *
 *   {"version":0,"brokerEpoch":1}          (brokers without Raft, and Kafka before 3.7, leave out the epoch or the text)
 *
 * Must always hold: it is removed, durably, before the first write to any log of the directory.
 * Source: Kafka's CleanShutdownFileHandler.
 */
import { readText, replaceFile } from "./atomic_file.ts";
import { SystemError } from "../sys/libc.ts";
import type { FileSystem } from "../sys/file_system.ts";

const FILE_NAME = ".kafka_cleanshutdown";
const VERSION = 0;

/** What the file says. */
export interface CleanShutdown {
  /** Epoch of the broker that wrote it, -1 where it does not say. */
  readonly brokerEpoch: number;
}

/** Reads the mark. @returns null where there is none @throws the runtime's errors when the disk refuses */
export function readCleanShutdown(fs: FileSystem, logDirectory: string): CleanShutdown | null {
  const text = readText(fs, `${logDirectory}/${FILE_NAME}`);
  return text === null ? null : { brokerEpoch: brokerEpochIn(text) };
}

/** Only the presence of the file counts, so no content counts as damaged. */
function brokerEpochIn(text: string): number {
  const epoch = Number(/"brokerEpoch"\s*:\s*(\d{1,16})\b/.exec(text)?.[1] ?? -1);
  return Number.isSafeInteger(epoch) ? epoch : -1;
}

/** Writes the mark durably; only when every log of the directory was closed cleanly. @throws when refused */
export function writeCleanShutdown(fs: FileSystem, logDirectory: string, brokerEpoch: number): void {
  replaceFile(fs, `${logDirectory}/${FILE_NAME}`, JSON.stringify({ version: VERSION, brokerEpoch }));
}

/** Removes the mark durably; missing is fine. @throws SystemError, or the runtime's errors, when the disk refuses */
export function removeCleanShutdown(fs: FileSystem, logDirectory: string): void {
  fs.remove(`${logDirectory}/${FILE_NAME}`);
  if (!fs.syncDirectory(logDirectory)) throw new SystemError(`flush directory ${logDirectory}`);
}

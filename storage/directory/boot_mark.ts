/**
 * `barnabas-boot`: in which boot of the machine a broker began to write to the logs of a directory. If the next start finds its own boot
 * there, only the process has died, and the page cache has everything that it wrote. Runs on the isolate that starts and stops the
 * broker's logs.
 *
 *   version=0 · boot=<boot_id of the kernel> · directory=<device>:<inode> · intact=true|false        a line each
 *
 * Must always hold: the file is there only while all logs of the directory are open, or after the process died in that state. It is
 * removed before the first log is opened, when a flush fails, when a log goes offline, and at every orderly end. "intact=false" stays
 * until a clean stop or another boot: a recovery of this boot has cut something off, so the cache did not have everything.
 * It is never flushed: after a loss of power the boot is another one, whatever the file says.
 * Source: random(4) for boot_id. Apache Kafka has no such file, and ignores this one.
 */
import { readText, replaceFileUnflushed } from "./atomic_file.ts";
import type { FileSystem } from "../sys/file_system.ts";

/** Name of the file. */
export const BOOT_MARK_FILE = "barnabas-boot";

const CONTENT = /^version=0\nboot=([0-9a-f-]{1,64})\ndirectory=(\d+:\d+)\nintact=(true|false)\n$/;

/** Where and when a broker writes. */
export interface BootIdentity {
  /** `boot_id` of the kernel. */
  readonly bootId: string;
  /** Device and inode of the directory, `<device>:<inode>`: a copy of the directory has others. */
  readonly directory: string;
}

/** What the file says. */
export interface BootMark extends BootIdentity {
  /** Whether no recovery of this boot has cut anything off. */
  readonly isIntact: boolean;
}

/** Reads the mark. @returns null where there is none, or a torn one @throws the runtime's errors when the disk refuses */
export function readBootMark(fs: FileSystem, logDirectory: string): BootMark | null {
  const match = CONTENT.exec(readText(fs, `${logDirectory}/${BOOT_MARK_FILE}`) ?? "");
  if (match === null) return null;
  return { bootId: match[1] as string, directory: match[2] as string, isIntact: match[3] === "true" };
}

/** Writes the mark, once all logs of the directory are open. @throws SystemError, or the runtime's errors, when the disk refuses */
export function writeBootMark(fs: FileSystem, logDirectory: string, { bootId, directory, isIntact }: BootMark): void {
  const content = `version=0\nboot=${bootId}\ndirectory=${directory}\nintact=${isIntact}\n`;
  replaceFileUnflushed(fs, `${logDirectory}/${BOOT_MARK_FILE}`, content);
}

/** Removes the mark; missing is fine. @throws the runtime's errors when the disk refuses */
export function removeBootMark(fs: FileSystem, logDirectory: string): void {
  fs.remove(`${logDirectory}/${BOOT_MARK_FILE}`);
}

/** Whether a mark was written in this boot, for this directory. */
export function isSameBoot(mark: BootMark | null, now: BootIdentity): boolean {
  return mark !== null && mark.bootId === now.bootId && mark.directory === now.directory;
}

/**
 * Whether a start may believe the page cache: the last broker was killed in this boot of the machine, on a file system whose cache
 * survives that. Then recovery checks only the ends of the logs, and a start takes a second whatever their size. Main isolate.
 *
 *   start: read ──► forget ──► logs are opened ──► keep ──► served ──► killed         the next start believes the cache
 *                                                             └──► a failed flush, a log offline: doubt; any orderly end: forget
 *
 * Always: the mark (storage/directory/boot_mark.ts) is absent while logs are opened, and after anything that makes the cache doubtful.
 * `barnabas.recovery.trust.page.cache=false` is for machines on which this reasoning does not hold: where a volume may be taken away
 * from the running machine, repaired or set back to a snapshot, and come back in the same boot.
 */
import {
  type BootIdentity,
  type BootMark,
  type FileSystem,
  isSameBoot,
  keepsWritesOfKilled,
  linuxFileSystem,
  readBootMark,
  removeBootMark,
  storageFailure,
  volumeType,
  writeBootMark,
} from "../../storage/control.ts";

const BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id";

/** What a directory's trust is based on. */
export interface CacheTrustParts {
  readonly fs?: FileSystem;
  /** The log directory. */
  readonly path: string;
  /** This boot and directory; null where the cache is never believed. */
  readonly identity: BootIdentity | null;
  /** Whether the last stop was a clean one: then everything is durable, whatever happened before in this boot. */
  readonly wasCleanShutdown: boolean;
  /** Gets a sentence when the mark could not be changed. */
  readonly report: (sentence: string) => void;
}

/**
 * Finds out in which boot the machine is, and whether the directory's file system keeps what a killed process wrote.
 * @param path of the log directory @returns null where a start must not believe the page cache
 */
export async function bootIdentity(path: string): Promise<BootIdentity | null> {
  if (!keepsWritesOfKilled(volumeType(path))) return null;
  try {
    const bootId = (await Deno.readTextFile(BOOT_ID_PATH)).trim();
    const { dev, ino } = await Deno.stat(path);
    return ino === null ? null : { bootId, directory: `${dev}:${ino}` };
  } catch (error) {
    storageFailure(error); // Rethrows anything but a refusal of the system: then nothing is known, and the cache is not believed.
    return null;
  }
}

/** The trust in one log directory. */
export class CacheTrust {
  /** Whether the page cache has everything that the last broker wrote. */
  readonly isIntact: boolean;
  readonly #parts: CacheTrustParts;
  readonly #fs: FileSystem;
  /** Whether a recovery of this boot has cut something off, and no clean stop came after it. */
  readonly #wasCut: boolean;
  #isDoubted = false;

  /** Reads the mark. @throws the runtime's errors when the disk refuses */
  constructor(parts: CacheTrustParts) {
    this.#parts = parts;
    this.#fs = parts.fs ?? linuxFileSystem;
    const { identity, wasCleanShutdown } = parts;
    const mark = readBootMark(this.#fs, parts.path);
    const isSame = identity !== null && isSameBoot(mark, identity);
    this.isIntact = isSame && !wasCleanShutdown && (mark as BootMark).isIntact;
    this.#wasCut = isSame && !wasCleanShutdown && !(mark as BootMark).isIntact;
  }

  /** A log could not be opened or was cut off, a flush failed, or a log went offline: the next start must not believe the cache. */
  doubt(): void {
    this.#isDoubted = true;
    this.forget();
  }

  /** Removes the mark: before logs are opened, and at an orderly end. */
  forget(): void {
    try {
      removeBootMark(this.#fs, this.#parts.path);
    } catch (error) {
      this.#parts.report(
        `Cannot remove ${this.#parts.path}/barnabas-boot: ${storageFailure(error)}; remove it before the next start`,
      );
    }
  }

  /** Writes the mark, once the logs are open. */
  keep(): void {
    const { identity, path, report } = this.#parts;
    if (identity === null) return;
    try {
      writeBootMark(this.#fs, path, { ...identity, isIntact: !this.#isDoubted && !this.#wasCut });
    } catch (error) {
      report(`Cannot write ${path}/barnabas-boot: ${storageFailure(error)}; a start after a crash checks more`);
    }
  }
}

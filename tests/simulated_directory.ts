/**
 * What the main isolate keeps beside the log of the storage simulation: checkpoints, the mark of a clean stop, and that of the boot. It uses
 * the product's files, with file calls that block (partitions/directory/, broker start and stop in mod.ts). Test code.
 */
import { strict as assert } from "node:assert";
import { CacheTrust } from "../partitions/directory/cache_trust.ts";
import { toOffset } from "../storage/base/units.ts";
import { replaceFile } from "../storage/directory/atomic_file.ts";
import { readCleanShutdown, removeCleanShutdown, writeCleanShutdown } from "../storage/directory/clean_shutdown.ts";
import {
  encodeOffsetCheckpoint,
  LOG_STARTS_FILE,
  readOffsetCheckpoint,
  RECOVERY_POINTS_FILE,
} from "../storage/directory/offset_checkpoint.ts";
import { verifyDirectory } from "../storage/inspection/verified_directory.ts";
import type { Log } from "../storage/log/log.ts";
import type { LogOptions } from "../storage/log/log_types.ts";
import type { FileSystem } from "../storage/sys/file_system.ts";
import { findInconsistencies } from "./log_fixture.ts";

/** The directory of the log directory's only partition. */
export const PARTITION_DIRECTORY = "/logs/t-0";
/** The log directory. */
export const LOG_DIRECTORY = "/logs";

const CLEANER_OFFSETS_FILE = "cleaner-offset-checkpoint";

/** Mistakes of the main isolate that the simulation has to find. */
export interface PlantedInDirectory {
  /** The checkpoint has an offset up to which nothing was flushed. */
  readonly raisesRecoveryPoint?: boolean;
  /** The checkpoint of log starts is not written, but clients are told that their records are deleted. */
  readonly skipsLogStarts?: boolean;
  /** A start believes that the last stop was a clean one. */
  readonly believesCleanStop?: boolean;
  /** A start after a loss of power believes that only the process died. */
  readonly believesBoot?: boolean;
}

/** Files of the log directory. */
export class SimulatedDirectory {
  readonly #fs: FileSystem;
  readonly #planted: PlantedInDirectory;
  #boot = 1;
  #trust: CacheTrust | null = null;
  /** A checkpoint whose values were taken, but which is not written yet. */
  #taken: { name: string; offset: number } | null = null;
  /** Highest log start that a checkpoint has: clients were told. */
  durableStart = 0;

  constructor(fs: FileSystem, planted: PlantedInDirectory) {
    this.#fs = fs;
    this.#planted = planted;
  }

  /** Where the last cleaning ended, null for none. */
  get cleanBelow(): number | null {
    return this.#read(CLEANER_OFFSETS_FILE);
  }

  /** Begins a start. @returns what the log is opened with */
  start(): Pick<LogOptions, "cleanShutdown" | "isCacheIntact" | "recoveryPoint" | "logStartOffset"> {
    const fs = this.#fs;
    const wasCleanShutdown = readCleanShutdown(fs, LOG_DIRECTORY) !== null;
    const identity = { bootId: `${this.#planted.believesBoot ? 1 : this.#boot}`, directory: "1:1" };
    const report = (sentence: string) => assert.fail(sentence);
    this.#trust = new CacheTrust({ fs, path: LOG_DIRECTORY, identity, wasCleanShutdown, report });
    this.#trust.forget();
    removeCleanShutdown(fs, LOG_DIRECTORY);
    return {
      cleanShutdown: wasCleanShutdown || this.#planted.believesCleanStop === true,
      isCacheIntact: this.#trust.isIntact,
      recoveryPoint: toOffset(this.#read(RECOVERY_POINTS_FILE) ?? 0),
      logStartOffset: toOffset(this.#read(LOG_STARTS_FILE) ?? 0),
    };
  }

  /** The log is open. */
  onOpened(log: Log): void {
    // Who follows has to find again what may be missing (partitions/owned/owned_partitions.ts).
    if (log.found.hasCut || log.found.lostFrom !== null) this.#trust?.doubt();
    this.#trust?.keep();
  }

  /** Takes the values of a checkpoint, or writes those that were taken some time ago. @param isLogStart which one */
  checkpoint({ logEndOffset, recoveryPoint, logStartOffset }: Log, isLogStart: boolean): void {
    const taken = this.#taken;
    this.#taken = null;
    if (taken !== null) return this.#write(taken.name, taken.offset);
    const offset = this.#planted.raisesRecoveryPoint ? logEndOffset : recoveryPoint;
    this.#taken = isLogStart
      ? { name: LOG_STARTS_FILE, offset: logStartOffset }
      : { name: RECOVERY_POINTS_FILE, offset };
  }

  /** The log is clean below an offset. */
  writeCleanBelow(offset: number): void {
    this.#write(CLEANER_OFFSETS_FILE, offset);
  }

  /** The log was closed cleanly. */
  stop({ recoveryPoint, logStartOffset }: Log): void {
    this.#trust?.forget();
    this.#write(RECOVERY_POINTS_FILE, recoveryPoint);
    this.#write(LOG_STARTS_FILE, logStartOffset);
    writeCleanShutdown(this.#fs, LOG_DIRECTORY, 1);
  }

  /** The process or the machine ended. */
  end(isPower: boolean): void {
    this.#taken = null;
    if (isPower) this.#boot++;
  }

  #write(name: string, offset: number): void {
    const isSkipped = name === LOG_STARTS_FILE && this.#planted.skipsLogStarts === true;
    const line = encodeOffsetCheckpoint([{ topic: "t", partition: 0, offset }]);
    if (!isSkipped) replaceFile(this.#fs, `${LOG_DIRECTORY}/${name}`, line);
    if (name === LOG_STARTS_FILE) this.durableStart = Math.max(this.durableStart, offset);
  }

  #read(name: string): number | null {
    const offsets = readOffsetCheckpoint(this.#fs, `${LOG_DIRECTORY}/${name}`);
    assert.ok(typeof offsets !== "string", `${name}: ${offsets}`);
    return offsets.get("t 0") ?? null;
  }
}

/** Checks the files after a clean stop, by the product's own verification and by one of the tests. @param files of the disk */
export function checkFiles(fs: FileSystem, files: readonly (readonly [path: string, bytes: Uint8Array])[]): void {
  const prefix = `${PARTITION_DIRECTORY}/`;
  const own = files.filter(([path]) => path.startsWith(prefix) && !path.endsWith(".deleted"));
  const named = new Map(own.map(([path, bytes]) => [path.slice(prefix.length), bytes]));
  assert.deepEqual(findInconsistencies(named, { hasLost: true, isCleaned: true }), []);
  // Snapshots are not flushed: a start reads the newest one that a loss of power left whole.
  const isTrusted = (path: string) => !path.endsWith(".snapshot");
  const reports = [...verifyDirectory(fs, LOG_DIRECTORY)];
  assert.deepEqual(reports.filter((report) => report.kind === "damage" && isTrusted(report.path)), []);
}

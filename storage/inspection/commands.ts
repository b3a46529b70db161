/**
 * The commands of main.ts that look at files without a broker: their output, their progress, and their exit codes. The main isolate;
 * nothing else runs, so everything is synchronous. Loaded only for these commands.
 *
 * Exit codes: 0 all is sound · 1 something is damaged, or cannot be read. When the reader of the output goes away (`| head`), the
 * command ends with 0.
 */
import { unsupportedReason } from "../sys/libc.ts";
import { linuxFileSystem } from "../sys/file_system.ts";
import { DumpError, dumpFile } from "./dumped_file.ts";
import { type VerifiedDirectory, verifyDirectory, VerifyError } from "./verified_directory.ts";

/** Time between two lines of progress. */
const PROGRESS_MS = 1000;
/** Lines are gathered up to this size, because a record may have few bytes. */
const OUTPUT_BYTES = 64 * 1024;

/** The output and the clock of a command. */
export interface Terminal {
  /** Writes to standard output, whole. @throws Deno.errors.BrokenPipe when nobody reads it any more */
  write(text: string): void;
  /** Writes a line to standard error. */
  explain(line: string): void;
  /** Monotonic time in ms. */
  now(): number;
}

/** `main.ts dump FILE`: prints what a file of a partition holds. @returns the exit code */
export function dump(path: string, terminal: Terminal): number {
  if (!isSupported(terminal)) return 1;
  let gathered = "";
  try {
    for (const line of dumpFile(linuxFileSystem, path)) {
      gathered += `${line}\n`;
      if (gathered.length < OUTPUT_BYTES) continue;
      terminal.write(gathered);
      gathered = "";
    }
    terminal.write(gathered);
    return 0;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    if (!(error instanceof DumpError)) throw error;
    terminal.write(gathered);
    terminal.explain(`barnabas: ${error.message}`);
    return 1;
  }
}

/** `main.ts verify --data DIR`: reads a log directory and prints what is wrong with it. @returns the exit code */
export function verify(path: string, terminal: Terminal): number {
  if (!isSupported(terminal)) return 1;
  let total = { partitions: 0, bytes: 0 };
  let [partitions, bytes, damages] = [0, 0, 0];
  let nextProgressMs = terminal.now() + PROGRESS_MS;
  try {
    const reports = verifyDirectory(linuxFileSystem, path);
    for (let report = reports.next();; report = reports.next()) {
      if (report.done) {
        terminal.write(`${summary(report.value, damages)}\n`);
        return damages === 0 ? 0 : 1;
      }
      const { value } = report;
      if (value.kind === "size") total = value;
      else if (value.kind === "partition") partitions++;
      else if (value.kind === "read") bytes += value.bytes;
      else {
        if (value.kind === "damage") damages++;
        terminal.write(`${value.kind}: ${value.path}: ${value.text}\n`);
      }
      if (terminal.now() < nextProgressMs) continue;
      nextProgressMs = terminal.now() + PROGRESS_MS;
      const share = total.bytes === 0 ? 100 : Math.floor(100 * bytes / total.bytes);
      terminal.explain(
        `verify: ${share} %, ${partitions} of ${total.partitions} partitions, ${size(bytes)} of ${size(total.bytes)}`,
      );
    }
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    terminal.explain(`barnabas: ${error.message}`);
    return 1;
  }
}

function isSupported(terminal: Terminal): boolean {
  if (unsupportedReason !== null) terminal.explain(`barnabas: ${unsupportedReason}`);
  return unsupportedReason === null;
}

function summary({ partitions, segments, batches, records, bytes }: VerifiedDirectory, damages: number): string {
  const verdict = damages === 0 ? "no damage" : damages === 1 ? "1 damage" : `${damages} damages`;
  return `${partitions} partitions, ${segments} segments, ${batches} batches, ${records} records, ${
    size(bytes)
  }: ${verdict}`;
}

function size(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} KB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

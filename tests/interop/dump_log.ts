/**
 * DumpLogSegments of Apache Kafka as a judge of a data directory. It exits 0 even on damage, so its output is read: it may have none of
 * its known complaints, and every file must have been read. Main isolate of a test.
 *
 * Source: DumpLogSegments.java of Apache Kafka 4.3.
 */
import assert from "node:assert/strict";
import { kafkaTool } from "../../bench/peer/apache_kafka.ts";

/** What it found. */
export interface DumpVerdict {
  /** Complaints, each with its line; empty when there is no damage. */
  readonly complaints: readonly string[];
  /** Batches that it listed over all .log files. */
  readonly batches: number;
  /** Producers that it listed over all .snapshot files. */
  readonly producers: number;
  /** Codecs of the batches of each partition, by the name of its directory. */
  readonly codecs: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Lines that mean damage. */
const COMPLAINT = [
  /isvalid: false/,
  /^Found /, // "Found timestamp mismatch in", "Found out of order timestamp in", "Found N invalid bytes at the end of"
  /^Mismatches in/,
  /^ +-?\d+ is followed by \d+/, // below "Non-consecutive offsets in"
  /is corrupt|Corrupt|Exception|Error/,
  /Size of this file .* is not a multiple|No such/,
  /The following indexed offsets are not found in the log/,
];

/**
 * Runs DumpLogSegments on every file of a data directory.
 * @param dataDir holds partition directories; no broker should run on it
 * @param options isCleaned: whether compaction may have left gaps between offsets, which the tool complains of
 */
export async function dumpLogSegments(dataDir: string, { isCleaned = false } = {}): Promise<DumpVerdict> {
  const files = segmentFiles(dataDir);
  assert(files.length > 0, `there are segment files in ${dataDir}`);
  const result = await kafkaTool("DumpLogSegments", ["--deep-iteration", "--files", files.join(",")]);
  const lines = `${result.stdout}\n${result.stderr}`.split("\n").filter((line) => !line.includes("SLF4J"));
  const complaints = lines.filter((line) => !(isCleaned && isGap(line)))
    .flatMap((line, at, kept) => complaintOf(line, kept[at + 1] ?? ""));
  for (const file of files) {
    if (!lines.some((line) => line === `Dumping ${file}`)) complaints.push(`${file} was not read`);
  }
  if (result.code !== 0) complaints.push(`exit code ${result.code}`);
  return {
    complaints,
    batches: lines.filter((line) => line.startsWith("baseOffset:")).length,
    producers: lines.filter((line) => line.startsWith("producerId:")).length,
    codecs: codecsOf(lines),
  };
}

/** Codecs of the batches, by partition. */
function codecsOf(lines: readonly string[]): Map<string, Set<string>> {
  const codecs = new Map<string, Set<string>>();
  let partition = "";
  for (const line of lines) {
    partition = /^Dumping .*?([^/]+)\/[^/]+$/.exec(line)?.[1] ?? partition;
    const codec = /^baseOffset: .* compresscodec: (\S+) /.exec(line)?.[1];
    if (codec === undefined) continue;
    if (!codecs.has(partition)) codecs.set(partition, new Set());
    codecs.get(partition)!.add(codec);
  }
  return codecs;
}

/**
 * Runs DumpLogSegments on the logs of `__consumer_offsets`, whose records it prints.
 * @returns how many records there are of each type (CoordinatorRecordType.java: 1 an offset, 2 a classic group, 3 to 8 and
 *   16 consumer groups)
 * @throws AssertionError when a record is not printed, or not understood
 */
export async function dumpGroupRecords(dataDir: string): Promise<Map<number, number>> {
  const files = segmentFiles(dataDir).filter((file) => /__consumer_offsets-\d+\/\d+\.log$/.test(file));
  const result = await kafkaTool("DumpLogSegments", ["--offsets-decoder", "--files", files.join(",")]);
  const types = new Map<number, number>();
  let expected = 0;
  let printed = 0;
  for (const line of result.stdout.split("\n")) {
    assert(!COMPLAINT.slice(0, 4).some((pattern) => pattern.test(line)), line);
    expected += Number(/^baseOffset: .* count: (\d+) /.exec(line)?.[1] ?? 0);
    if (!line.startsWith("| offset:")) continue;
    printed++;
    const [, key, payload] = / key: (\{.*\}) payload: (\{.*\}|<DELETE>)$/.exec(line) ?? [];
    assert(key !== undefined && payload !== undefined, `understood: ${line}`);
    if (payload !== "<DELETE>") JSON.parse(payload);
    const type = Number(JSON.parse(key).type);
    types.set(type, (types.get(type) ?? 0) + 1);
  }
  assert.equal(printed, expected, "every record of every batch is printed");
  return types;
}

/** Whether the tool complains of a gap: an offset that is followed by a larger one. */
function isGap(line: string): boolean {
  const [, before, after] = /^ +(\d+) is followed by (\d+)$/.exec(line.trimEnd()) ?? [];
  return before !== undefined && Number(before) < Number(after);
}

/** The tool takes -1 for the offset before a file: the first record of every segment but the first is "not consecutive". */
function complaintOf(line: string, next: string): string[] {
  if (/^ +-1 is followed by \d+/.test(line)) return [];
  return COMPLAINT.some((pattern) => pattern.test(line)) ? [`${line} ${next}`] : [];
}

/**
 * Files of all partitions that DumpLogSegments can read. The log of Kafka's controller is left out: this broker does not touch it, and
 * its time index ends with unused entries if Kafka was killed.
 */
export function segmentFiles(dataDir: string): string[] {
  const found: string[] = [];
  for (const directory of Deno.readDirSync(dataDir)) {
    if (!directory.isDirectory || !/-\d+$/.test(directory.name)) continue;
    if (directory.name === "__cluster_metadata-0") continue;
    for (const file of Deno.readDirSync(`${dataDir}/${directory.name}`)) {
      if (/\.(log|index|timeindex|snapshot|txnindex)$/.test(file.name)) {
        found.push(`${dataDir}/${directory.name}/${file.name}`);
      }
    }
  }
  return found.sort();
}

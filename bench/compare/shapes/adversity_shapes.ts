/**
 * Shapes that measure latencies of other clients during a heavy load: a consumer that reads gigabytes from the disk, a producer that
 * dirties memory faster than the disk writes it, clients that misbehave. Main isolate.
 */
import { processMemory, runOrThrow } from "../../peer/processes.ts";
import { atRate } from "./latency_shapes.ts";
import { TAKEN } from "../saturation.ts";
import type { Figure } from "../figure.ts";
import type { RunContext, Shape } from "../shape.ts";
import { generate, type Printed, withTopic } from "./throughput_shapes.ts";

/** Records of 1 KB in the topic that is read from the disk: 8 GB. */
const COLD_RECORDS = 8_000_000;
/** Records of 1 KB that are written during the measurement: 12 GB, more than the kernel keeps dirty. */
const DIRTY_RECORDS = 12_000_000;
/** Longer than a run of `atRate`, which starts later. */
export const BESIDE_SECONDS = 24;

/** Measures latencies while a load runs; names of figures begin with `prefix`, by default "beside it". */
type Measure = (load: () => Promise<unknown>, prefix?: string) => Promise<Figure[]>;
/** Prepares a load, measures beside it, and cleans up. */
type Adversity = (context: RunContext, measure: Measure) => Promise<Figure[]>;

/** The adversity shapes of the report. */
export const adversityShapes: readonly Shape[] = [
  beside("cold-reader", "a consumer that reads 8 GB from the disk", readCold),
  beside(
    "writeback",
    "producers of another topic that write 12 GB",
    (context, measure) =>
      withTopic(context, 4, (topic) => measure(() => wire(context, "produce", topic, DIRTY_RECORDS * context.scale))),
  ),
  beside(
    "undrained-readers",
    "1,000 connections that ask for 4 MB each and read nothing",
    (context, measure) =>
      withTopic(context, 4, async (topic) => {
        await wire(context, "produce", topic, 20_000);
        return await measure(() => hostile(context, ["undrained", "-t", topic, "-n", "1000"]));
      }),
  ),
  beside(
    "trickling-writers",
    "1,000 connections that send one byte a second each, of requests of 250 KB",
    (context, measure) =>
      withTopic(context, 1, (topic) => measure(() => hostile(context, ["trickle", "-t", topic, "-n", "1000"]))),
  ),
  beside(
    "connection-flood",
    "5,000 connections a second that say nothing",
    (context, measure) => measure(() => hostile(context, ["flood", "-f", "5000"])),
  ),
];

/** A shape: 1,000/s end to end, alone and then beside a load. */
export function beside(name: string, what: string, adversity: Adversity): Shape {
  return {
    name,
    title: `1,000/s end to end beside ${what}`,
    quick: false,
    warmRunsMax: 3,
    run: (context) =>
      withTopic(context, 1, async (topic) => {
        const alone = await atRate(context, topic, { rate: 1000 });
        const during = await adversity(context, async (load, prefix = "beside it") => {
          const before = processMemory(context.target.pid).residentBytes;
          const loading = load();
          const figures = await atRate(context, topic, { rate: 1000 });
          const grown = processMemory(context.target.pid).residentBytes - before;
          await loading;
          return [...named(prefix, figures), { name: `${prefix}: RSS MB more`, value: grown / 1e6, better: "lower" }];
        });
        return [...named("alone", alone), ...during];
      }),
  };
}

function named(prefix: string, figures: readonly Figure[]): Figure[] {
  return figures.filter(({ name }) => name.startsWith("end to end") || name === TAKEN).map((figure) => ({
    ...figure,
    name: `${prefix}: ${figure.name}`,
  }));
}

/**
 * First, as a control, four processes of cat(1) read the files of a topic that are not in the page cache. The broker takes no part in
 * that: it shows what the disk and new memory for the page cache cost on this machine. Then a consumer reads the same from the disk.
 */
async function readCold(context: RunContext, measure: Measure): Promise<Figure[]> {
  const records = COLD_RECORDS * context.scale;
  const { directory } = context.target;
  return await withTopic(context, 4, async (topic) => {
    await wire(context, "produce", topic, records);
    await evict(directory, topic);
    const files = `find ${directory} -path '*${topic}-*/*.log' -print0`;
    const control = await measure(
      () => runOrThrow("sh", ["-c", `${files} | xargs -0 -P 4 -n 1 cat > /dev/null`]),
      "beside cat of its files",
    );
    await evict(directory, topic);
    return [...control, ...await measure(() => wire(context, "fetch", topic, records))];
  });
}

async function wire(context: RunContext, mode: "produce" | "fetch", topic: string, records: number): Promise<void> {
  await generate<Printed>("wire_load", [
    ...[mode, "-b", String(context.target.port), "-t", topic, "-p", "4", "-n", "4", "-k", "5"],
    ...["-s", "1024", "-r", "1000", "-c", String(records)],
  ]);
}

async function hostile(context: RunContext, args: readonly string[]): Promise<void> {
  await generate<Printed>("hostile_load", [
    ...args,
    ...["-b", String(context.target.port), "-d", String(BESIDE_SECONDS * context.scale)],
  ]);
}

/** Writes a topic's dirty pages to the disk and drops its files from the page cache. */
async function evict(directory: string, topic: string): Promise<void> {
  await runOrThrow("sync", []);
  await runOrThrow("find", [
    ...[directory, "-path", `*${topic}-*/*.log`],
    ...["-exec", "dd", "if={}", "iflag=nocache", "count=0", "status=none", ";"],
  ]);
}

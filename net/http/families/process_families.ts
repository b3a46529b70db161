/**
 * What the kernel and the runtime say of the process, by the names that every client library of Prometheus uses. Main isolate; reads /proc,
 * which is memory.
 */
import { VERSION } from "../../../partitions/config/version.ts";
import { descriptorsMax } from "../../../storage/control.ts";
import type { MetricFamily } from "../metric_family.ts";
import { kafkaName, single } from "./families.ts";

/** Clock ticks of /proc/self/stat: the kernel's USER_HZ, the same on all machines that the broker runs on. */
const TICKS_PER_SECOND = 100;
/** Places in /proc/self/stat after the command's name: man 5 proc, fields 14, 15, 23 and 24. */
const STAT = { userTicks: 11, systemTicks: 12, virtualBytes: 20, residentPages: 21 } as const;
const PAGE_BYTES_DEFAULT = 4096;

/** Reads them. */
export async function processFamilies(): Promise<MetricFamily[]> {
  const [stat, limits, fds, io] = await Promise.all([
    Deno.readTextFile("/proc/self/stat"),
    Deno.readTextFile("/proc/self/limits"),
    openDescriptors(),
    readIo(),
  ]);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  const { heapTotal, heapUsed, rss } = Deno.memoryUsage();
  const seconds = ((fields[STAT.userTicks] ?? 0) + (fields[STAT.systemTicks] ?? 0)) / TICKS_PER_SECOND;
  const resident = rss > 0 ? rss : (fields[STAT.residentPages] ?? 0) * PAGE_BYTES_DEFAULT;
  return [
    single("counter", "process_cpu_seconds_total", { help: "User and system time of all threads", value: seconds }),
    single("gauge", "process_open_fds", { help: "Open file descriptors", value: fds }),
    single("gauge", "process_max_fds", { help: "File descriptors that may be open", value: descriptorsMax(limits) }),
    single("gauge", "process_resident_memory_bytes", { help: "Resident memory", value: resident }),
    single("gauge", "process_virtual_memory_bytes", { help: "Virtual memory", value: fields[STAT.virtualBytes] ?? 0 }),
    single("gauge", "process_start_time_seconds", {
      help: "When the process started, in seconds since 1970",
      value: performance.timeOrigin / 1000,
    }),
    {
      kind: "gauge",
      name: "barnabas_main_heap_bytes",
      help: "V8's heap of the main isolate",
      samples: [{ labels: { part: "used" }, value: heapUsed }, { labels: { part: "committed" }, value: heapTotal }],
    },
    {
      kind: "gauge",
      name: "barnabas_build_info",
      help: "1, with the versions of the broker and of its runtime",
      samples: [{ labels: { version: VERSION, deno: Deno.version.deno, v8: Deno.version.v8 }, value: 1 }],
    },
    ...io === null ? [] : [
      single("gauge", kafkaName("kafka.server:type=KafkaServer,name=linux-disk-read-bytes"), {
        help: "Bytes that the process had the kernel read from disks, since its start",
        value: io.readBytes,
      }),
      single("gauge", kafkaName("kafka.server:type=KafkaServer,name=linux-disk-write-bytes"), {
        help: "Bytes that the process had the kernel write to disks, since its start",
        value: io.writeBytes,
      }),
    ],
  ];
}

/** Since Linux 6.2 the size of the directory says it; before, its entries are counted. */
async function openDescriptors(): Promise<number> {
  const { size } = await Deno.stat("/proc/self/fd");
  if (size > 0) return size;
  let count = 0;
  for await (const _ of Deno.readDir("/proc/self/fd")) count++;
  return count;
}

/** Source: Kafka's LinuxIoMetricsCollector. @returns null where the kernel does not tell */
async function readIo(): Promise<{ readBytes: number; writeBytes: number } | null> {
  try {
    const text = await Deno.readTextFile("/proc/self/io");
    const value = (name: string) => Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(text)?.[1] ?? 0);
    return { readBytes: value("read_bytes"), writeBytes: value("write_bytes") };
  } catch (error) {
    // Kernels without accounting, or sandboxes that hide it.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

// deno-lint-ignore-file no-console -- a benchmark prints its figures
/**
 * What replication costs, and how fast another broker takes over: three brokers of this tree with an etcd, beside three brokers of Apache
 * Kafka, on this machine. Three replicas, acks=all, min.insync.replicas=2.
 *
 * ```
 * deno run -A bench/replication.ts [--quick] [--only PART,PART] [--seconds 3] [--etcd 1|3] [--output FILE] [--scratch DIRECTORY]
 * ```
 *
 * - **produce-…, librdkafka-…, latency-1000** (loads.ts): A B B A, after warming; CPU is that of all processes
 * - **follower-…**: one broker leads all, so the others' CPU is that of following
 * - **idle**: 1,000 partitions of three replicas, and nothing happens
 * - **failover-kafka, failover-9000, failover-700** (failover.ts): from a fault until writes to the broker's partitions are acknowledged,
 *   for each fault on a new topic of 1,000 partitions; this tree with its sessions (700 ms) and those of Kafka (9 s). With `--etcd 3`,
 *   also with etcd's leader killed at once
 *
 * Both clusters run all the time while loads are measured, and one at a time for failovers. About ten minutes; with --quick three, whose
 * figures mean little. The sections go to standard output as Markdown, for RESULTS.md, and into a file with --output. A part that fails
 * is reported, and the others go on.
 */
import { describeKafka, describeMachine, latencyFloorMs, waitForWriteBack, warmMemory } from "./compare/machine.ts";
import type { Figure } from "./compare/figure.ts";
import { isWarm } from "./compare/warming.ts";
import { buildLoadGenerators, installKafka } from "./peer/install.ts";
import { processMemory, stopAll } from "./peer/processes.ts";
import {
  type Cluster,
  cpuOf,
  cpuSince,
  KAFKA_SESSIONS,
  OWN_SESSIONS,
  startBarnabas,
  startKafka,
} from "./replication/clusters.ts";
import { describe, type Fault, measureFault } from "./replication/failover.ts";
import { LOADS, type ReplicatedLoad } from "./replication/loads.ts";
import { markdownSection, type Section, short } from "./replication/report.ts";
import { createTopic, deleteTopics } from "./replication/topics.ts";

const MANY_PARTITIONS = 1000;
const SETTLE_MS = 10_000;

const FAULTS_OF_BROKERS: readonly Fault[] = [
  { signal: "SIGKILL", victim: "a broker" },
  { signal: "SIGSTOP", victim: "a broker" },
];
const FAULTS: readonly Fault[] = [
  ...FAULTS_OF_BROKERS,
  { signal: "SIGKILL", victim: "the controller" },
  { signal: "SIGSTOP", victim: "the controller" },
];
const FAULTS_OF_THREE_ETCDS: readonly Fault[] = [
  { signal: "SIGKILL", victim: "a broker", withStoreLeader: true },
  { signal: "SIGSTOP", victim: "a broker", withStoreLeader: true },
  { signal: "SIGKILL", victim: "the controller", withStoreLeader: true },
];

/** A cluster whose failovers are measured. */
interface Failover {
  readonly part: string;
  readonly title: string;
  start(directory: string, etcdMembers: number): Promise<Cluster>;
  faults(etcdMembers: number): readonly Fault[];
}

const FAILOVERS: readonly Failover[] = [
  {
    part: "failover-700",
    title: "sessions of 700 ms, as by default",
    start: (directory, etcdMembers) => startBarnabas(directory, { etcdMembers, sessions: OWN_SESSIONS }),
    faults: (etcdMembers) => [...FAULTS, ...(etcdMembers === 3 ? FAULTS_OF_THREE_ETCDS : [])],
  },
  {
    part: "failover-9000",
    title: "sessions of 9 s, as Kafka's",
    start: (directory, etcdMembers) => startBarnabas(directory, { etcdMembers, sessions: KAFKA_SESSIONS }),
    faults: () => FAULTS_OF_BROKERS,
  },
  {
    part: "failover-kafka",
    title: "sessions of 9 s, its default",
    start: (directory) => startKafka(directory),
    faults: () => FAULTS_OF_BROKERS,
  },
];
const PARTS = [...LOADS.map(({ name }) => name), "idle", ...FAILOVERS.map(({ part }) => part)];

interface Options {
  readonly only: readonly string[];
  readonly quick: boolean;
  /** Of a run of a load. */
  readonly seconds: number;
  readonly etcdMembers: number;
  readonly output: string | null;
  readonly scratch: string | null;
}

const startedAt = performance.now();

function say(line: string): void {
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}`);
}

/** @returns the names of the parts that have failed */
async function measure(scratch: string, options: Options): Promise<string[]> {
  const sections: Section[] = [];
  const failed: string[] = [];
  const attempt = async (part: string, body: () => Promise<Section>) => {
    try {
      await done(await body());
    } catch (error) {
      failed.push(part);
      say(`${part} has failed: ${error instanceof Error ? error.stack ?? error.message : error}`);
    }
  };
  const done = async (section: Section) => {
    sections.push(section);
    const text = sections.map(markdownSection).join("\n");
    if (options.output !== null) await Deno.writeTextFile(options.output, `${head}\n${text}`);
    console.log(markdownSection(section));
  };
  const loads = LOADS.filter(({ name }) => options.only.includes(name));
  const rate = options.quick || loads.length === 0 ? NaN : await warmMemory(scratch, say);
  const machine = [
    ...await describeMachine(scratch),
    ...await describeKafka(),
    ["fresh 1 GiB file", `${(rate / 1e9).toFixed(1)} GB/s`],
    ["loopback round trip of 100 B, p50", `${(await latencyFloorMs()).toFixed(3)} ms`],
  ];
  const head = [["", ""], ["---", "---"], ...machine].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
  console.log(head);
  if (loads.length > 0 || options.only.includes("idle")) {
    say("both clusters start");
    await using kafka = await startKafka(`${scratch}/kafka`);
    await using barnabas = await startBarnabas(`${scratch}/barnabas`, options);
    for (const load of loads) await attempt(load.name, () => measureLoad(load, [kafka, barnabas], options));
    if (options.only.includes("idle")) await attempt("idle", () => measureIdle([kafka, barnabas], options));
  }
  for (const failover of FAILOVERS.filter(({ part }) => options.only.includes(part))) {
    await attempt(failover.part, () => measureFailover(failover, scratch, options));
  }
  return failed;
}

type Pair = readonly [kafka: Cluster, barnabas: Cluster];

async function measureLoad(load: ReplicatedLoad, clusters: Pair, { quick, seconds }: Options): Promise<Section> {
  say(`${load.name}: ${load.title}`);
  for (const cluster of clusters) {
    const values: number[] = [];
    while (values.length < (quick ? 1 : load.warmRunsMax)) {
      const [figure] = await load.run(cluster, seconds);
      if (figure === undefined) break;
      values.push(figure.value);
      say(`  warming ${cluster.title}: ${figure.name} ${short(figure.value)}`);
      await waitForWriteBack();
      if (isWarm(values, figure.better)) break;
    }
  }
  const runs: readonly [Figure[][], Figure[][]] = [[], []];
  for (const side of quick ? [0, 1] as const : [0, 1, 1, 0] as const) {
    const figures = await load.run(clusters[side], seconds);
    runs[side].push(figures);
    say(`  ${clusters[side].title}: ${figures.map(({ name, value }) => `${name} ${short(value)}`).join(" · ")}`);
    await waitForWriteBack();
  }
  return sectionOf(`${load.title} (\`--only ${load.name}\`)`, clusters, runs);
}

async function measureIdle(clusters: Pair, { quick }: Options): Promise<Section> {
  const partitions = quick ? 100 : MANY_PARTITIONS;
  say(`idle: ${partitions} partitions`);
  const topic = { name: "idle", partitions, leaders: "in turn" } as const;
  for (const cluster of clusters) await createTopic(cluster, topic);
  await sleep(quick ? 1000 : SETTLE_MS);
  const seconds = quick ? 5 : 20;
  const before = clusters.map(cpuOf);
  await sleep(seconds * 1000);
  const figures = clusters.map((cluster, index): Figure[] => {
    const cpu = cpuSince(cluster, before[index] as ReturnType<typeof cpuOf>);
    const shares = cpu.brokers.map((used) => used / seconds * 100);
    const memory = cluster.nodes.map(({ process }) => processMemory(process.pid).residentBytes / 1e6);
    return [
      { name: "the busiest broker, % of a core", value: Math.max(...shares), better: "lower" },
      { name: "a broker on average, % of a core", value: meanOf(shares), better: "lower" },
      { name: "etcd, % of a core", value: cpu.store / seconds * 100, better: "lower" },
      { name: "RSS of a broker on average, MB", value: meanOf(memory), better: "lower" },
    ];
  });
  for (const cluster of clusters) await deleteTopics(cluster, [topic.name]);
  const [kafka = [], barnabas = []] = figures;
  return sectionOf(`${partitions} idle partitions of three replicas (\`--only idle\`)`, clusters, [[kafka], [
    barnabas,
  ]]);
}

async function measureFailover(
  { part, title, start, faults }: Failover,
  scratch: string,
  options: Options,
): Promise<Section> {
  const { quick, etcdMembers } = options;
  const partitions = quick ? 100 : MANY_PARTITIONS;
  say(`${part}: ${title}`);
  await using cluster = await start(`${scratch}/${part}`, etcdMembers);
  const figures: Figure[] = [];
  for (const fault of faults(etcdMembers)) {
    const found = await measureFault(cluster, partitions, fault);
    say(`  ${describe(fault)}: ${found.map(({ name, value }) => `${name} ${short(value)}`).join(" · ")}`);
    figures.push(...found.map((figure) => ({ ...figure, name: `${describe(fault)}: ${figure.name}` })));
  }
  const what = `From a fault to the first acknowledged writes on the broker's ${
    Math.round(partitions / 3)
  } of ${partitions} partitions`;
  return { title: `${what}: ${title} (\`--only ${part}\`)`, columns: [{ title: cluster.title, runs: [figures] }] };
}

function sectionOf(title: string, clusters: Pair, runs: readonly [Figure[][], Figure[][]]): Section {
  return {
    title,
    columns: clusters.map((cluster, side) => ({ title: cluster.title, runs: runs[side] as Figure[][] })),
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function readFlags(args: readonly string[]): Options {
  const words: Record<string, string> = { seconds: "", etcd: "1", only: PARTS.join(), output: "", scratch: "" };
  let quick = false;
  for (let at = 0; at < args.length; at++) {
    const name = (args[at] ?? "").replace(/^--/, "");
    if (name === "quick") quick = true;
    else if (Object.hasOwn(words, name) && args[at + 1] !== undefined) words[name] = args[++at] as string;
    else throw new Error(`There is no flag ${args[at]}: see the head of bench/replication.ts`);
  }
  const only = (words.only as string).split(",");
  const unknown = only.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new Error(`There is no part ${unknown}: the parts are ${PARTS.join(", ")}`);
  const [seconds, etcdMembers] = [Number(words.seconds || (quick ? 1 : 3)), Number(words.etcd)];
  if (!(seconds > 0) || ![1, 3].includes(etcdMembers)) throw new Error("--seconds is above 0, --etcd is 1 or 3");
  return { only, quick, seconds, etcdMembers, output: words.output || null, scratch: words.scratch || null };
}

if (import.meta.main) {
  const options = readFlags(Deno.args);
  await installKafka();
  await buildLoadGenerators();
  const scratch = options.scratch ?? await Deno.makeTempDir({ prefix: "barnabas-replication-" });
  await Deno.mkdir(scratch, { recursive: true });
  const cleanUp = async () => {
    if (options.scratch === null) await Deno.remove(scratch, { recursive: true });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => void stopAll().then(cleanUp).then(() => Deno.exit(130)));
  }
  let failed: string[] = [];
  try {
    failed = await measure(scratch, options);
  } finally {
    await cleanUp();
  }
  say(failed.length === 0 ? "done" : `failed: ${failed.join(", ")}`);
  Deno.exit(failed.length === 0 ? 0 : 1); // the signal listeners keep the process alive
}

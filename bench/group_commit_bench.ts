/**
 * Offset commits through a coordinator into a real log: `deno bench -A bench/group_commit_bench.ts`. An iteration is one commit of one
 * partition of a group, from the decoded request to the reply. "gathered" writes after several commits, as a shard does with those of a
 * turn.
 */
import {
  InterestTable,
  LogStore,
  MetadataImage,
  Purgatory,
  type TopicImage,
  WatermarkTable,
} from "../partitions/mod.ts";
import { GroupCoordinator } from "../partitions/coordinators/groups/group_coordinator.ts";
import { OFFSETS_TOPIC } from "../partitions/coordinators/key_partition.ts";
import type { CoordinatorClient } from "../partitions/coordinators/runtime/coordinator.ts";
import { Partition } from "../partitions/owned/partition.ts";
import { deafOwner, topicOn } from "../partitions/owned/partition_testing.ts";
import { linuxFileSystem, systemClock } from "../storage/mod.ts";
import { brokerConfigFrom } from "../partitions/config/broker/broker_properties.ts";

const GROUPS = 1000;
const LOADED_RECORDS = 100_000;

const root = Deno.makeTempDirSync({ dir: Deno.env.get("BARNABAS_BENCH_DIR"), prefix: "barnabas-bench-" });
globalThis.addEventListener("unload", () => Deno.removeSync(root, { recursive: true }));

const resolved = brokerConfigFrom(new Map());
if ("refused" in resolved) throw new Error(resolved.refused);
const { config } = resolved;

const image = new MetadataImage();
const topics = [topic(OFFSETS_TOPIC, "b2Zmc2V0c29mZnNldHNvZg", 0), topic("a", "YWFhYWFhYWFhYWFhYWFhYQ", 1)];
image.apply({ changed: topics, deletedIds: [] });
const store = new LogStore({
  fs: linuxFileSystem,
  clock: systemClock,
  directories: [{ path: root, isOnline: true, cleanShutdown: false }],
  producerIdExpirationMs: 86_400_000,
  report: () => {},
});
const log = store.open(topics[0]!, 0);
if (typeof log === "string") throw new Error(log);
const table = new WatermarkTable(WatermarkTable.allocate());
const partition = new Partition(log, { slot: 0, leaderEpoch: 1, config: config.logDefaults, table, owner: deafOwner });

const client: CoordinatorClient = { clientId: "bench", clientHost: "/127.0.0.1", apiVersion: 8 };
const requests = Array.from({ length: GROUPS }, (_, group) => ({
  groupId: `group-${group}`,
  generationIdOrMemberEpoch: -1,
  memberId: "",
  groupInstanceId: null,
  retentionTimeMs: -1,
  topics: [{
    name: "a",
    topicId: "AAAAAAAAAAAAAAAAAAAAAA",
    partitions: [{ partitionIndex: 0, committedOffset: group, committedLeaderEpoch: 3, committedMetadata: "" }],
  }],
}));
const coordinator = newCoordinator();
let next = 0;
let answered = 0;

while (log.logEndOffset < LOADED_RECORDS) commit(100);

for (const gathered of [1, 8, 32]) {
  Deno.bench(`${gathered} commits, gathered`, { group: "commit", baseline: gathered === 1 }, () => {
    commit(gathered);
  });
}

Deno.bench("offset fetch of one group", () => {
  const { groupId } = requests[next++ % GROUPS]!;
  const groups = [{ groupId, memberId: null, memberEpoch: -1, topics: null }];
  coordinator.handle(9, { groupId: "", topics: [], groups, requireStable: false }, client, () => void answered++);
});

Deno.bench(`loading ${LOADED_RECORDS} records and what the other benches wrote`, { n: 3, warmup: 1 }, (bench) => {
  const loading = newCoordinator(false);
  bench.start();
  let longestMs = 0;
  while (loading.counts.loading > 0) {
    const startMs = performance.now();
    loading.runTurn(0);
    longestMs = Math.max(longestMs, performance.now() - startMs);
  }
  bench.end();
  // deno-lint-ignore no-console -- pauses that other requests of the shard notice
  console.log(`${log.logEndOffset} records; the longest slice took ${longestMs.toFixed(1)} ms`);
});

function commit(count: number): void {
  for (let sent = 0; sent < count; sent++) {
    coordinator.handle(8, requests[next++ % GROUPS]!, client, () => void answered++);
  }
  coordinator.writeGathered(() => true);
}

function newCoordinator(isLoaded = true): GroupCoordinator {
  const purgatory = new Purgatory(new InterestTable(InterestTable.allocate(1)), 0);
  const made = new GroupCoordinator({
    shard: 0,
    shardsCount: 1,
    clock: systemClock,
    fs: linuxFileSystem,
    image,
    partitions: { ownAt: (slot) => slot === 0 ? partition : undefined },
    purgatory,
    settings: config.groups,
    settingsOf: () => ({ sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5000, assignmentIntervalMs: 1000 }),
    offsetsCommitTimeoutMs: 5000,
    newId: () => crypto.randomUUID(),
    report: () => {},
  });
  made.onImage({ changed: topics, deleted: [] });
  while (isLoaded && made.counts.loading > 0) made.runTurn(0);
  return made;
}

function topic(name: string, id: string, slot: number): TopicImage {
  return topicOn([0], { name, id, slots: [slot], config: config.logDefaults, leaderEpoch: 1 });
}

/**
 * How long a coordinator loads committed offsets after a restart, before and after its topic was compacted. Main isolate of the benchmark.
 *
 * Ten groups commit 100 offsets each, again and again and all in one request, as clients without membership do. __consumer_offsets has one
 * partition. The first brokers do not compact; the third one does, and the fourth loads what that left.
 */
import { waitFor } from "../../peer/processes.ts";
import { ByteWriter } from "../../peer/wire_bytes.ts";
import { expectNone, WireClient } from "../../peer/wire_client.ts";
import type { Figure } from "../figure.ts";
import { waitForWriteBack } from "../machine.ts";
import type { RunContext } from "../shape.ts";
import type { Target } from "../targets.ts";
import { partitionFiles, untilCompacted } from "./log_files.ts";
import { answers, type OwnBroker, secondsSince, withOwnBroker } from "./own_broker.ts";

const COMMITS = 1e6;
/** Groups, which commit beside each other, and partitions of which each commits an offset. */
const [GROUPS, PARTITIONS] = [10, 100] as const;
const OFFSETS = GROUPS * PARTITIONS;
const groups = Array.from({ length: GROUPS }, (_, index) => `group-${index}`);
const TOPIC = "t";
const OFFSETS_TOPIC = "__consumer_offsets";

const settings = {
  "offsets.topic.num.partitions": "1",
  "offsets.topic.segment.bytes": String(1 << 20),
  "log.cleaner.backoff.ms": "100",
};
const uncleaned = { ...settings, "log.cleaner.enable": "false" };

/** FindCoordinator creates the topic of offsets. */
const FIND_COORDINATOR = [10, 1] as const;
const OFFSET_COMMIT = [8, 2] as const;
const OFFSET_FETCH = [9, 2] as const;

/** The figures of a run. */
export function measureCommitLoading(context: RunContext): Promise<Figure[]> {
  const commits = COMMITS * context.scale;
  return withOwnBroker(context, async (own) => {
    await own.run({ properties: uncleaned }, (target) => commitAll(target, commits));
    const last = commits / OFFSETS;
    const before = await loading(own, uncleaned, last);
    await own.run({ properties: settings }, async (target) => {
      await answers(target);
      await untilCompacted(`${own.directory}/data`, OFFSETS_TOPIC);
    });
    const after = await loading(own, settings, last);
    return [
      { name: "load, compacted, s", value: after.loadSeconds, better: "lower" },
      { name: "load, not compacted, s", value: before.loadSeconds, better: "lower" },
      { name: "start until offsets are answered, compacted, s", value: after.startSeconds, better: "lower" },
      { name: "start until offsets are answered, not compacted, s", value: before.startSeconds, better: "lower" },
      { name: "log, compacted, MB", value: after.megabytes, better: "lower" },
      { name: "log, not compacted, MB", value: before.megabytes, better: "lower" },
    ];
  });
}

/** Starts a broker and waits until it answers the committed offsets. @param last what each offset is */
async function loading(own: OwnBroker, properties: Readonly<Record<string, string>>, last: number) {
  await waitForWriteBack();
  const { logBytes } = await partitionFiles(`${own.directory}/data/${OFFSETS_TOPIC}-0`);
  return await own.run({ properties }, async (target) => {
    const ready = await answers(target);
    await waitFor("the coordinator answers offsets", async () => {
      using client = await WireClient.connect(target.port);
      for (const group of groups) if (!await offsetsAre(client, group, last)) return undefined;
      return true;
    });
    const startSeconds = secondsSince(target.launchedAtMs);
    return { startSeconds, loadSeconds: startSeconds - ready, megabytes: logBytes / 1e6 };
  });
}

/** Commits each offset as often, the same way in every run. */
async function commitAll(target: Target, commits: number): Promise<void> {
  await answers(target);
  using client = await WireClient.connect(target.port);
  await client.createTopic(TOPIC, PARTITIONS);
  await waitFor("the groups have a coordinator", async () => {
    const answer = await client.request(FIND_COORDINATOR, new ByteWriter().string(groups[0]!).int8(0).bytes);
    answer.int32(); // throttle
    expectNone(answer.int16(), "FindCoordinator");
    await commit(client, groups[0]!, 0);
    return true;
  });
  await Promise.all(groups.map(async (group) => {
    using committer = await WireClient.connect(target.port);
    for (let offset = 1; offset <= commits / OFFSETS; offset++) await commit(committer, group, offset);
  }));
}

/** Commits the same offset of all partitions. */
async function commit(client: WireClient, group: string, offset: number): Promise<void> {
  const body = new ByteWriter().string(group).int32(-1).string("").int64(-1).int32(1).string(TOPIC).int32(PARTITIONS);
  for (let partition = 0; partition < PARTITIONS; partition++) body.int32(partition).int64(offset).string("");
  const answer = await client.request(OFFSET_COMMIT, body.bytes);
  const codes = answer.array((topic) => {
    topic.string();
    return topic.array((partition) => [partition.int32(), partition.int16()] as const);
  }).flat();
  for (const [partition, code] of codes) expectNone(code, `OffsetCommit of partition ${partition}`);
}

/**
 * True when the coordinator answers all offsets of a group.
 * @throws Error when it does not yet
 */
async function offsetsAre(client: WireClient, group: string, last: number): Promise<boolean> {
  const body = new ByteWriter().string(group).int32(1).string(TOPIC).int32(PARTITIONS);
  for (let partition = 0; partition < PARTITIONS; partition++) body.int32(partition);
  const answer = await client.request(OFFSET_FETCH, body.bytes);
  const found = answer.array((topic) => {
    topic.string();
    return topic.array((partition) => {
      partition.int32();
      const offset = partition.int64();
      partition.string();
      return { offset, code: partition.int16() };
    });
  }).flat();
  expectNone(answer.int16(), "OffsetFetch");
  for (const { code } of found) expectNone(code, "OffsetFetch");
  return found.length === PARTITIONS && found.every(({ offset }) => offset === last);
}

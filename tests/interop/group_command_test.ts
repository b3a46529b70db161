/**
 * Apache Kafka's ConsumerGroupCommand (kafka-consumer-groups): every way to list, describe, reset and delete, on groups of both
 * protocols with and without members. It must print the same as for Apache Kafka in the same state, which is recorded in
 * tests/golden/consumer_group_command.txt by a run with BARNABAS_INTEROP_PEER=apache-kafka and BARNABAS_RECORD=1.
 */
import { wireBatch } from "../../bench/peer/wire_bytes.ts";
import { NONE, WireClient } from "../../bench/peer/wire_client.ts";
import assert from "node:assert/strict";
import { startTestBroker, temporaryDirectory, type TestBroker } from "./broker.ts";
import { groupClients } from "./group_clients.ts";
import { GroupMember } from "./group_member.ts";
import { KafkaTools } from "./kafka_tools.ts";
import { assertSameLines } from "./lines.ts";
import { interopTest } from "./toolchain.ts";
import { waitFor } from "../../bench/peer/processes.ts";

const GOLDEN = new URL("../golden/consumer_group_command.txt", import.meta.url).pathname;
const COMMAND = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const TOPIC = "numbers";
const PARTITIONS = 3;
const RECORDS = 6;
/** Timestamp of the first record of a partition; record n is n hours later. */
const EPOCH = Date.parse("2025-01-01T00:00:00Z");
const HOUR_MS = 3_600_000;

/** Groups with a member, by protocol. */
const members = { classic: "confluent-kafka range", consumer: "confluent-kafka consumer" } as const;

const reset = (group: string, ...rest: string[]) => ["--reset-offsets", "--group", group, ...rest];
const offsets = ["--describe", "--offsets", "--group", "empty"];

/** The calls in order; FILE stands for a file of the test. */
const calls: readonly (readonly string[])[] = [
  ["--list"],
  ["--list", "--state"],
  ["--list", "--state", "Stable"],
  ["--list", "--state", "empty,dead"],
  ["--list", "--type"],
  ["--list", "--type", "classic"],
  ["--list", "--type", "consumer", "--state"],
  // The first offsets create the empty group.
  reset("empty", "--topic", TOPIC, "--to-earliest", "--dry-run"),
  reset("empty", "--topic", TOPIC, "--to-earliest", "--execute"),
  ["--list", "--state"],
  ...["classic", "consumer", "empty", "unknown"].flatMap((group) =>
    [["--offsets"], ["--members"], ["--members", "--verbose"], ["--state"], ["--state", "--verbose"], [
      "--offsets",
      "--verbose",
    ], []].map((what) => ["--describe", "--group", group, ...what])
  ),
  ["--describe", "--all-groups", "--state"],
  ["--describe", "--all-groups", "--offsets"],
  reset("empty", "--topic", TOPIC, "--to-latest", "--execute"),
  offsets,
  reset("empty", "--topic", `${TOPIC}:0,2`, "--to-offset", "3", "--execute"),
  offsets,
  reset("empty", "--topic", TOPIC, "--to-offset", "1000", "--execute"),
  offsets,
  reset("empty", "--topic", TOPIC, "--shift-by", "-2", "--execute"),
  offsets,
  reset("empty", "--topic", TOPIC, "--shift-by", "-100", "--dry-run"),
  reset("empty", "--topic", TOPIC, "--shift-by", "100", "--dry-run"),
  reset("empty", "--topic", TOPIC, "--to-datetime", "2025-01-01T02:30:00.000", "--execute"),
  offsets,
  reset("empty", "--topic", TOPIC, "--to-datetime", "2026-01-01T00:00:00.000", "--dry-run"),
  reset("empty", "--topic", TOPIC, "--by-duration", "PT1H", "--execute"),
  offsets,
  reset("empty", "--topic", TOPIC, "--by-duration", "P7300D", "--execute"),
  reset("empty", "--all-topics", "--to-current", "--execute"),
  reset("empty", "--all-topics", "--to-offset", "4", "--export"),
  reset("empty", "--from-file", "FILE", "--dry-run"),
  reset("empty", "--from-file", "FILE", "--execute"),
  offsets,
  reset("empty", "--topic", "nowhere", "--to-earliest", "--execute"),
  reset("unknown", "--all-topics", "--to-current", "--dry-run"),
  reset("classic", "--topic", TOPIC, "--to-earliest", "--execute"),
  reset("consumer", "--topic", TOPIC, "--to-earliest", "--execute"),
  ["--delete-offsets", "--group", "empty", "--topic", `${TOPIC}:1`],
  offsets,
  ["--delete-offsets", "--group", "empty", "--topic", `${TOPIC}:1`, "--topic", "nowhere"],
  ["--delete-offsets", "--group", "classic", "--topic", TOPIC],
  ["--delete-offsets", "--group", "consumer", "--topic", TOPIC],
  ["--delete-offsets", "--group", "unknown", "--topic", TOPIC],
  ["--delete", "--group", "classic"],
  ["--delete", "--group", "consumer"],
  ["--delete", "--group", "unknown"],
  ["--delete", "--group", "empty"],
  ["--delete", "--group", "empty"],
  ["--list", "--state"],
];

interopTest({
  name: "group command: kafka-consumer-groups prints of every call what it prints of Apache Kafka",
  needs: ["java", "python"],
  proves: { tools: ["offsets"] },
  async fn() {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    await fill(broker);
    await using _classic = await startMember(broker, "classic");
    await using _consumer = await startMember(broker, "consumer");
    await using tools = new KafkaTools();
    const file = `${directory.path}-offsets.csv`;
    await Deno.writeTextFile(file, `"${TOPIC}",0,1\n"${TOPIC}",1,2\n"${TOPIC}",2,3\n`);
    const printed: string[] = [];
    for (const call of calls) {
      printed.push(`$ ${call.join(" ")}`);
      const args = call.map((word) => word === "FILE" ? file : word);
      const { code, lines } = await tools.run(COMMAND, ["--bootstrap-server", broker.bootstrapServers, ...args]);
      printed.push(...normalize(lines, broker.port), `exit ${code}`, "");
    }
    if (Deno.env.get("BARNABAS_RECORD") === "1") await Deno.writeTextFile(GOLDEN, `${printed.join("\n")}\n`);
    assertSameLines(`${printed.join("\n")}\n`, (await Deno.readTextFile(GOLDEN)).replace(/\n$/, "").split("\n"));
  },
});

/** Writes records an hour apart, so that times find offsets. */
async function fill(broker: TestBroker): Promise<void> {
  using client = await WireClient.connect(broker.port);
  await client.createTopic(TOPIC, PARTITIONS, { "retention.ms": "-1" });
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (let n = 0; n < RECORDS; n++) {
      const batch = wireBatch([{ value: new Uint8Array(10) }], { timestampMs: EPOCH + n * HOUR_MS });
      assert.equal((await client.produce({ topic: TOPIC, partition }, batch)).errorCode, NONE);
    }
  }
}

/** A member that has read and committed everything; the group is named after its protocol. */
async function startMember(broker: TestBroker, group: keyof typeof members): Promise<GroupMember> {
  const { command } = groupClients.find((each) => each.name === members[group])!;
  const membership = { bootstrapServers: broker.bootstrapServers, topic: TOPIC, group, instance: "" };
  const member = new GroupMember(group, command(membership));
  await waitFor(`${group} has committed everything`, () => {
    const done = new Set(member.commits.filter((each) => each.offset === RECORDS).map((each) => each.partition));
    return done.size === PARTITIONS ? true : undefined;
  });
  return member;
}

/** The output without what differs from run to run: ids, ports, column widths, the order of rows, stack traces. */
function normalize(lines: readonly string[], port: number): string[] {
  return lines
    .filter((line) => line.trim() !== "" && !/^\s+at |^\s*\.\.\. \d+ more|^SLF4J/.test(line))
    .map((line) =>
      line.replaceAll(String(port), "PORT")
        .replace(/rdkafka-[A-Za-z0-9_-]{22,36}/g, "MEMBER")
        .replace(/^(consumer .*?) [A-Za-z0-9+/_-]{22}(?= )/, "$1 MEMBER")
        .replace(/\s+/g, " ").trim()
    )
    .sort();
}

/**
 * The client libraries as members of consumer groups, each with every way of sharing partitions that it supports. The programs are in
 * clients/. Main isolate of a test.
 */
import { type MemberCommand, type MemberEvent } from "./group_member.ts";
import { locations, type Need, smallJvm } from "./toolchain.ts";

/** One library in one configuration. */
export interface CoordinatorClient {
  readonly name: string;
  readonly need: Need;
  /** KIP-848: the coordinator assigns partitions. */
  readonly consumerProtocol: boolean;
  /** Static members (KIP-345): they keep their place in the group when their process ends. */
  readonly isStatic: boolean;
  /** After a rebalance it returns records that it had fetched before; another member may have committed further already. */
  readonly commitsBack: boolean;
  /** How to start a member. */
  readonly command: (where: Membership) => MemberCommand;
}

/** The group and topic of a member. */
export interface Membership {
  readonly bootstrapServers: string;
  readonly topic: string;
  readonly group: string;
  /** The name of a static member. */
  readonly instance: string;
}

type Library = (words: readonly string[]) => MemberCommand;

/** Every library and configuration, the fastest first. */
export const groupClients: readonly CoordinatorClient[] = [
  kcatClient("kcat", "range"),
  ...["range", "roundrobin", "sticky", "cooperative-sticky", "consumer"].map((how) => goClient("franz-go", how)),
  ...["range", "roundrobin", "sticky"].map((how) => goClient("sarama", how)),
  ...["range", "cooperative-sticky", "static"].map((how) => pythonClient("confluent-kafka", how)),
  ...["consumer", "consumer-range", "consumer-static"].map((how) => pythonClient("confluent-kafka", how)),
  ...["range", "roundrobin", "sticky", "cooperative-sticky"].map((how) => pythonClient("kafka-python", how)),
  ...["range", "roundrobin", "sticky"].map((how) => pythonClient("aiokafka", how)),
  nodeClient("kafkajs", "roundrobin"),
  ...["roundrobin", "cooperative-sticky", "consumer"].map((how) => nodeClient("platformatic", how)),
  ...["range", "roundrobin", "sticky", "cooperative-sticky", "static"].map(javaClient),
  ...["consumer", "consumer-range", "consumer-static", "consumer-regex"].map(javaClient),
];

/**
 * One member of each library that supports the assignor `how`. kcat is the last: at SIGTERM it drops a record that it has counted as
 * read (1.7.1, consume_cb), so it must not leave while there are new records.
 */
export function mixedClients(how: "range" | "roundrobin"): CoordinatorClient[] {
  const mixed = groupClients.filter((each) => each.name.endsWith(` ${how}`));
  return [...mixed.filter((each) => each.need !== "kcat"), ...mixed.filter((each) => each.need === "kcat")];
}

/** `how`: an assignor, or "static" (by range); "consumer" (the server's assignor), with "-range", "-static" or "-regex" behind. */
function client(name: string, how: string, need: Need, library: Library): CoordinatorClient {
  const consumerProtocol = how.startsWith("consumer");
  const isStatic = how.endsWith("static");
  const command = ({ bootstrapServers, topic, group, instance }: Membership) => {
    const words = [name, "group", bootstrapServers, topic, group];
    if (consumerProtocol) words.push("protocol=consumer");
    else words.push("protocol=classic", `assignor=${isStatic ? "range" : how}`);
    if (how === "consumer-range") words.push("assignor=range");
    if (how === "consumer-regex") words.push(`pattern=${topic.slice(0, -1)}.`);
    return library(isStatic ? [...words, `instance=${instance}`] : words);
  };
  const commitsBack = name === "platformatic"; // 2.12.1
  return { name: `${name} ${how}`, need, consumerProtocol, isStatic, commitsBack, command };
}

function goClient(name: string, how: string): CoordinatorClient {
  return client(name, how, "go", (args) => ({ command: locations.go, args }));
}

function pythonClient(name: string, how: string): CoordinatorClient {
  const program = `${locations.clients}/python/group.py`;
  return client(name, how, "python", (words) => ({ command: locations.python, args: [program, ...words] }));
}

function nodeClient(name: "kafkajs" | "platformatic", how: string): CoordinatorClient {
  const program = `${locations.clients}/node/group.mjs`;
  const env = { CLIENT_LIBRARIES: locations.node };
  return client(name, how, "node", (words) => {
    // As in clients_test.ts: @platformatic/kafka wants a newer Node than the machine may have.
    if (name === "kafkajs") return { command: "node", args: [program, ...words], env };
    const flags = ["run", "-A", "--no-config", "--node-modules-dir=manual", program];
    return { command: Deno.execPath(), args: [...flags, ...words], env, cwd: locations.node };
  });
}

function javaClient(how: string): CoordinatorClient {
  return client("java", how, "java", (words) => ({ command: "java", args: smallJvm("Group", ...words) }));
}

/** kcat commits every 5 s (-X would set the interval on the topic), and prints its partitions on standard error. */
function kcatClient(name: string, assignor: string): CoordinatorClient {
  const settings = {
    "auto.offset.reset": "earliest",
    "session.timeout.ms": "6000",
    "heartbeat.interval.ms": "300",
    "fetch.wait.max.ms": "100",
    "partition.assignment.strategy": assignor,
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => ["-X", `${key}=${value}`]);
  return {
    name: `${name} ${assignor}`,
    need: "kcat",
    consumerProtocol: false,
    isStatic: false,
    commitsBack: false,
    command: ({ bootstrapServers, topic, group }) => ({
      command: "kcat",
      args: ["-b", bootstrapServers, ...flags, "-u", "-f", "read %p %o\n", "-G", group, topic],
      parse: parseKcatLine,
    }),
  };
}

/** "% Group g rebalanced (memberid m): assigned: t [0], t [1]", or "revoked: …". */
function parseKcatLine(line: string): MemberEvent | null {
  const read = /^read (\d+) (\d+)$/.exec(line);
  if (read !== null) return { kind: "read", partition: Number(read[1]), offset: Number(read[2]) };
  const change = /^% Group .* rebalanced .*: (assigned|revoked): (.*)$/.exec(line);
  if (change === null) return null;
  const partitions = [...change[2]!.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1]));
  return { kind: "owns", partitions: change[1] === "assigned" ? partitions : [] };
}

/**
 * kafkajs and @platformatic/kafka as members of a group: `group` of ../README.md. Runs under Node or Deno; the libraries are looked
 * up in the directory that $CLIENT_LIBRARIES names.
 *
 *    CLIENT_LIBRARIES=DIR node group.mjs kafkajs group 127.0.0.1:9092 topic name
 */
import { createRequire } from "node:module";
import process from "node:process";
import { pathToFileURL } from "node:url";

const SESSION_MS = 6000;
const HEARTBEAT_MS = 300;
const COMMIT_MS = 5000;

const require = createRequire(`${process.env.CLIENT_LIBRARIES}/`);

function say(...words) {
  process.stdout.write(`${words.join(" ")}\n`);
}

/** Settles at SIGTERM. */
const stopped = new Promise((resolve) => process.on("SIGTERM", resolve));

async function kafkajs(bootstrap, topic, groupId) {
  const { Kafka, AssignerProtocol, logLevel } = require("kafkajs");
  const kafka = new Kafka({
    brokers: [bootstrap],
    logLevel: logLevel.ERROR,
    retry: { initialRetryTime: 100 },
  });
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: SESSION_MS,
    rebalanceTimeout: 20_000,
    heartbeatInterval: HEARTBEAT_MS,
    maxWaitTimeInMs: 100,
    // Its own round-robin assigner is named "RoundRobinAssigner", which no other library knows.
    partitionAssigners: [
      ({ cluster }) => roundRobin(cluster, AssignerProtocol),
    ],
  });
  consumer.on(
    consumer.events.GROUP_JOIN,
    ({ payload }) => say("owns", ...payload.memberAssignment[topic] ?? []),
  );
  consumer.on(consumer.events.REBALANCING, () => say("owns"));
  const start = async () => {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async (
        { batch, resolveOffset, heartbeat, isRunning, isStale },
      ) => {
        if (!isRunning() || isStale()) return;
        for (const message of batch.messages) {
          say("read", batch.partition, message.offset);
          resolveOffset(message.offset);
        }
        await heartbeat();
        const offset = String(BigInt(batch.lastOffset()) + 1n);
        await consumer.commitOffsets([{
          topic,
          partition: batch.partition,
          offset,
        }]);
        say("committed", batch.partition, offset);
      },
    });
  };
  // When a member was away for too long and its id is refused, the library gives up. A program has to start it again.
  let crashed;
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart) crashed?.();
  });
  let isStopped = false;
  stopped.then(() => isStopped = true);
  while (!isStopped) {
    const ended = new Promise((resolve) => crashed = resolve);
    await start();
    await Promise.race([stopped, ended]);
  }
  await consumer.disconnect();
}

/** The round-robin assignor that the other libraries call "roundrobin", for one topic. */
function roundRobin(cluster, { MemberAssignment, MemberMetadata }) {
  return {
    name: "roundrobin",
    version: 0,
    protocol: ({ topics }) => ({
      name: "roundrobin",
      metadata: MemberMetadata.encode({
        version: 0,
        topics,
        userData: new Uint8Array(),
      }),
    }),
    assign: ({ members, topics: [topic] }) => {
      const memberIds = members.map((member) => member.memberId).sort();
      const partitions = cluster.findTopicPartitionMetadata(topic).map((each) => each.partitionId).sort();
      return memberIds.map((memberId, at) => {
        const mine = partitions.filter((_, index) => index % memberIds.length === at);
        const assignment = mine.length === 0 ? {} : { [topic]: mine };
        return {
          memberId,
          memberAssignment: MemberAssignment.encode({ version: 0, assignment }),
        };
      });
    },
  };
}

async function platformatic(bootstrap, topic, groupId, options) {
  const { Consumer, cooperativeStickyAssigner } = await import(
    pathToFileURL(require.resolve("@platformatic/kafka")).href
  );
  const classic = {
    sessionTimeout: SESSION_MS,
    rebalanceTimeout: 20_000,
    heartbeatInterval: HEARTBEAT_MS,
    ...options.assignor === "cooperative-sticky"
      ? {
        protocols: [{ name: "cooperative-sticky", version: 1 }],
        partitionAssigner: cooperativeStickyAssigner,
      }
      : {},
  };
  const settings = {
    clientId: "interop",
    bootstrapBrokers: [bootstrap],
    groupId,
    groupInstanceId: options.instance,
    ...options.protocol === "consumer" ? { groupProtocol: "consumer" } : classic,
  };
  // 2.12.1 throws if its consumer closes while it searches for the coordinator.
  process.on("uncaughtException", (error) => say("refused", error.message));
  let ended = false;
  stopped.then(() => ended = true);
  // A refusal (the member was away for too long) destroys the stream. A new consumer takes its place.
  while (!ended) {
    const consumer = new Consumer(settings);
    try {
      await consumeUntilStopped(consumer, topic);
    } catch (error) {
      say("refused", error.message);
    }
    await consumer.close(true).catch((error) => say("refused", error.message));
    say("owns");
  }
}

async function consumeUntilStopped(consumer, topic) {
  let printed = "";
  const printOwned = () => {
    const partitions = (consumer.assignments ?? []).flatMap((each) => each.topic === topic ? each.partitions : []);
    const words = partitions.sort((a, b) => a - b).join(" ");
    if (words !== printed) say("owns", printed = words);
  };
  const watch = setInterval(printOwned, 20);
  try {
    const stream = await consumer.consume({
      topics: [topic],
      mode: "committed",
      fallbackMode: "earliest",
      autocommit: false,
      maxWaitTime: 100,
    });
    stopped.then(() => stream.close());
    for await (const message of stream) {
      printOwned();
      say("read", message.partition, message.offset);
      await within(COMMIT_MS, message.commit());
      say("committed", message.partition, message.offset + 1n);
    }
  } finally {
    clearInterval(watch);
  }
}

/** With 2.12.1 a commit during a rebalance may never settle. */
async function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => timer = setTimeout(() => reject(new Error("no answer to a commit")), ms));
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

const [library, , bootstrap, topic, groupId, ...rest] = process.argv.slice(2);
const options = Object.fromEntries(rest.map((word) => word.split("=")));
const program = { kafkajs, platformatic }[library];
await program(bootstrap, topic, groupId, options);
say("closed");

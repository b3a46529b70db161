/** A channel to a real broker: logins with the right secret and with others, while others are served, and what its end looks like. */
import assert from "node:assert/strict";
import { startBroker } from "../mod.ts";
import { errorCode } from "../net/protocol/error_codes.ts";
import { type BrokerChannel, type ChannelFailure, ChannelRefused } from "../partitions/cluster/broker_channel.ts";
import { brokerChannels } from "../partitions/cluster/channel/network_channel.ts";
import { startBrokerProcess } from "./interop/broker.ts";
import { withDirectory } from "./temporary_directory.ts";

const SECRET = "what the brokers of a test share";
const NODE_ID = 7;

const heartbeat = { broker: NODE_ID, brokerEpoch: 1, revision: 1, wantsStop: false };
const registration = {
  broker: NODE_ID,
  incarnation: "aW5jYXJuYXRpb24gMiBvZg",
  directoryId: "disks of 7",
  cleanEpoch: -1,
  knownEpoch: 0,
  clusterId: "c",
  rack: null,
  listeners: [{ name: "PLAINTEXT", host: "127.0.0.1", port: 9092 }],
  directories: [],
  shards: 1,
  version: "1",
};

function channelTo(
  { port }: { port: number },
  { secret = SECRET, timeoutMs = 20_000 } = {},
): BrokerChannel & Disposable {
  const channel = brokerChannels({ nodeId: NODE_ID, secret, timeoutMs })({ host: "127.0.0.1", port }, () => {});
  return Object.assign(channel, { [Symbol.dispose]: () => channel.close() });
}

async function failureOf(request: Promise<unknown>): Promise<{ kind: ChannelFailure; message: string }> {
  const error = await request.then(() => assert.fail("the request was answered"), (error: unknown) => error);
  assert.ok(error instanceof ChannelRefused, String(error));
  return error;
}

function startMember(overrides: Record<string, string> = { "barnabas.inter.broker.secret": SECRET }) {
  return startBroker({ port: 0, shards: 2, overrides });
}

Deno.test("a broker that has logged in may ask for itself, and for no other broker", async () => {
  await using broker = await startMember();
  using channel = channelTo(broker);
  // This broker is in no cluster, so its control plane is no controller.
  assert.deepEqual(await channel.register(registration), { errorCode: errorCode.NOT_CONTROLLER, brokerEpoch: -1 });
  const answer = { errorCode: errorCode.NOT_CONTROLLER, isFenced: true, shouldStop: false };
  assert.deepEqual(await Promise.all([channel.heartbeat(heartbeat), channel.heartbeat(heartbeat)]), [answer, answer]);
  for (const broker of [1, 8]) {
    const { errorCode: code } = await channel.heartbeat({ ...heartbeat, broker });
    assert.equal(code, errorCode.CLUSTER_AUTHORIZATION_FAILED);
    const registered = await channel.register({ ...registration, broker });
    assert.equal(registered.errorCode, errorCode.CLUSTER_AUTHORIZATION_FAILED);
  }
  assert.deepEqual(broker.handlerFailures(), [0, 0]);
});

Deno.test("a broker does not accept another secret, and one without a secret accepts none", async () => {
  await using broker = await startMember();
  using stranger = channelTo(broker, { secret: "another secret of brokers" });
  for (let attempt = 0; attempt < 3; attempt++) {
    const { kind, message } = await failureOf(stranger.heartbeat(heartbeat));
    assert.equal(kind, "secret");
    assert.match(message, /it has another secret: barnabas\.inter\.broker\.secret must be the same on all brokers/);
  }
  await using alone = await startMember({});
  using member = channelTo(alone);
  const { kind, message } = await failureOf(member.heartbeat(heartbeat));
  assert.deepEqual([kind, /it does not recognise brokers/.test(message)], ["lost", true]);
});

Deno.test("many failed logins cost their connections only", async () => {
  await using broker = await startMember();
  using member = channelTo(broker);
  const strangers = Array.from({ length: 100 }, () => channelTo(broker, { secret: "another secret of brokers" }));
  const failures = Promise.all(strangers.map(async (stranger) => {
    const { kind } = await failureOf(stranger.heartbeat(heartbeat));
    stranger.close();
    return kind;
  }));
  for (let beats = 0; beats < 50; beats++) {
    assert.equal((await member.heartbeat(heartbeat)).errorCode, errorCode.NOT_CONTROLLER);
  }
  assert.deepEqual(new Set(await failures), new Set(["secret"]));
  assert.deepEqual(broker.handlerFailures(), [0, 0]);
});

Deno.test("a channel is refused as soon as the broker has been closed or killed", async () => {
  const broker = await startMember();
  using channel = channelTo(broker);
  await channel.heartbeat(heartbeat);
  await broker.close();
  assert.equal((await failureOf(channel.heartbeat(heartbeat))).kind, "refused");

  await withDirectory(async (directory) => {
    const overrides = { "barnabas.inter.broker.secret": SECRET };
    await using killed = await startBrokerProcess({ dataDir: `${directory}/data`, overrides });
    using toKilled = channelTo(killed);
    await toKilled.heartbeat(heartbeat);
    await killed.process.kill();
    assert.equal((await failureOf(toKilled.heartbeat(heartbeat))).kind, "refused");
  });
});

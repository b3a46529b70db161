import assert from "node:assert/strict";
import { brokerRegistrationResponse } from "../../../net/protocol/messages/62_broker_registration.ts";
import { saslAuthenticateResponse } from "../../../net/protocol/messages/36_sasl_authenticate.ts";
import { saslHandshakeResponse } from "../../../net/protocol/messages/17_sasl_handshake.ts";
import type { Message } from "../../../net/protocol/schema.ts";
import { type ChannelFailure, ChannelRefused } from "../broker_channel.ts";
import { ANSWER_BYTES_MAX } from "./answer_frames.ts";
import { REQUESTS_IN_FLIGHT_MAX } from "./broker_connection.ts";
import { ChannelFixture, heartbeatAnswer, type Peer, SECRET } from "./channel_testing.ts";

const HEARTBEAT = { broker: 7, brokerEpoch: 2 ** 40, revision: 2 ** 41, wantsStop: true };
const ALIVE = { errorCode: 0, isFenced: false, shouldStop: false };

const registration = {
  broker: 7,
  incarnation: "aW5jYXJuYXRpb24gMiBvZg",
  directoryId: "disks of 7",
  cleanEpoch: 41,
  knownEpoch: 42,
  clusterId: "the-cluster",
  rack: "b",
  listeners: [{ name: "PLAINTEXT", host: "seven.example.org", port: 9092 }],
  directories: ["ZGlyZWN0b3J5LW9mLXRlcw"],
  shards: 4,
  version: "1.2.3",
};

/** Asserts how a request fails. The sentence tells nothing of the secret. */
async function assertFails(request: Promise<unknown>, kind: ChannelFailure, sentence: RegExp): Promise<void> {
  const error = await request.then(() => assert.fail("the request was answered"), (error: unknown) => error);
  assert.ok(error instanceof ChannelRefused, String(error));
  assert.equal(error.kind, kind, error.message);
  assert.match(error.message, sentence);
  assert.ok(!error.message.includes(SECRET));
}

function assertAllFail(
  requests: readonly Promise<unknown>[],
  kind: ChannelFailure,
  sentence: RegExp,
): Promise<unknown> {
  return Promise.all(requests.map((request) => assertFails(request, kind, sentence)));
}

Deno.test("a channel logs in once, sends requests of both kinds, and returns their answers", async () => {
  await using fixture = new ChannelFixture();
  const asked = fixture.channel.register(registration);
  const peer = await fixture.member();
  const { header, body } = await peer.expect();
  assert.deepEqual([header.apiKey, header.apiVersion, header.clientId], [62, 4, "broker-7"]);
  assert.deepEqual({ ...body }, {
    brokerId: 7,
    clusterId: "the-cluster",
    incarnationId: registration.incarnation,
    listeners: [{ name: "PLAINTEXT", host: "seven.example.org", port: 9092, securityProtocol: 0 }],
    features: [],
    rack: "b",
    isMigratingZkBroker: false,
    logDirs: registration.directories,
    previousBrokerEpoch: 41,
    knownBrokerEpoch: 42,
    directoryId: "disks of 7",
    shards: 4,
    softwareVersion: "1.2.3",
  });
  await peer.answer({ header, body }, brokerRegistrationResponse as Message, { errorCode: 101, brokerEpoch: 99 });
  assert.deepEqual(await asked, { errorCode: 101, brokerEpoch: 99 });

  const beat = fixture.channel.heartbeat(HEARTBEAT);
  const heartbeat = await peer.expect();
  assert.deepEqual([heartbeat.header.apiKey, heartbeat.header.apiVersion], [63, 2]);
  assert.deepEqual({ ...heartbeat.body }, {
    brokerId: 7,
    brokerEpoch: 2 ** 40,
    currentMetadataOffset: 2 ** 41,
    wantFence: false,
    wantShutDown: true,
    offlineLogDirs: [],
    cordonedLogDirs: null,
  });
  await peer.send(heartbeatAnswer(heartbeat));
  assert.deepEqual(await beat, ALIVE);
  assert.equal(fixture.waits.size, 0, "nothing waits for the time any more");
});

Deno.test("a channel sends requests before earlier ones are answered, and takes answers in any order and any pieces", async () => {
  await using fixture = new ChannelFixture();
  const beats = [0, 1, 2, 3].map((revision) => fixture.channel.heartbeat({ ...HEARTBEAT, revision }));
  const peer = await fixture.member();
  const received = [await peer.expect(), await peer.expect(), await peer.expect(), await peer.expect()];
  assert.deepEqual(received.map(({ body }) => body.currentMetadataOffset), [0, 1, 2, 3]);
  const [a, b, c, d] = received.map((request, index) => heartbeatAnswer(request, { errorCode: index }));
  for (const byte of d!) await peer.send(new Uint8Array([byte]));
  await peer.send(new Uint8Array([...c!, ...a!, ...b!.subarray(0, 7)]));
  await peer.send(b!.subarray(7));
  assert.deepEqual((await Promise.all(beats)).map(({ errorCode }) => errorCode), [0, 1, 2, 3]);
});

Deno.test("a channel refuses a request when nobody listens", async () => {
  await using fixture = new ChannelFixture();
  fixture.stopListening();
  for (let attempt = 0; attempt < 3; attempt++) {
    await assertFails(fixture.channel.heartbeat(HEARTBEAT), "refused", /^Broker at 127\.0\.0\.1:\d+: nobody listens$/);
  }
});

Deno.test("a channel tells a process that has gone from a connection that was closed", async () => {
  await using fixture = new ChannelFixture();
  const lost = [fixture.channel.heartbeat(HEARTBEAT), fixture.channel.register(registration)];
  const peer = await fixture.member();
  await peer.expect();
  await peer.expect();
  peer.close();
  const again = await fixture.accept(); // it looks whether somebody listens
  await assertAllFail(lost, "lost", /it has closed the connection|cannot receive/);

  const answered = fixture.channel.heartbeat(HEARTBEAT);
  await again.logIn();
  await again.send(heartbeatAnswer(await again.expect()));
  assert.deepEqual(await answered, ALIVE, "the new connection serves");

  const gone = [fixture.channel.heartbeat(HEARTBEAT), fixture.channel.heartbeat(HEARTBEAT)];
  await again.expect();
  await again.expect();
  fixture.stopListening();
  again.close();
  await assertAllFail(gone, "refused", /nobody listens/);
});

Deno.test("a channel whose connection has ended between requests connects again for the next one, and says so", async () => {
  await using fixture = new ChannelFixture();
  for (let round = 0; round < 3; round++) {
    const beat = fixture.channel.heartbeat(HEARTBEAT);
    const peer = await fixture.member();
    await peer.send(heartbeatAnswer(await peer.expect()));
    assert.deepEqual(await beat, ALIVE);
    await peer.closeWrite();
    assert.equal(await peer.receive(), null, "the channel closes it, too");
    assert.equal(fixture.lostCount, round + 1);
  }
});

Deno.test("a channel gives up a login and an answer that do not come, with all that wait behind it, and connects anew", async () => {
  await using fixture = new ChannelFixture();
  const silent = fixture.channel.heartbeat(HEARTBEAT);
  const mute = await fixture.accept();
  await mute.expect();
  fixture.late();
  await assertFails(silent, "late", /was not answered within 1000 ms|the login has taken more than 1000 ms/);
  while (await mute.receive() !== null); // until its end

  const late = [fixture.channel.heartbeat(HEARTBEAT), fixture.channel.heartbeat(HEARTBEAT)];
  const member = await fixture.member();
  const first = await member.expect();
  await member.expect();
  fixture.late();
  await assertAllFail(late, "late", /BrokerHeartbeat was not answered within 1000 ms/);
  assert.equal(await member.receive(), null);
  await member.send(heartbeatAnswer(first)).catch(() => {}); // too late for anybody

  const beat = fixture.channel.heartbeat(HEARTBEAT);
  const next = await fixture.member();
  await next.send(heartbeatAnswer(await next.expect()));
  assert.deepEqual(await beat, ALIVE);
});

/** What a hostile server sends instead of an answer to a heartbeat, and what the channel says of it. */
const hostileAnswers: readonly [name: string, bytes: (answer: Uint8Array) => Uint8Array, sentence: RegExp][] = [
  ["a huge length", () => new Uint8Array([0x7f, 0xff, 0xff, 0xff, 1, 2, 3]), /an answer of 2147483647 bytes/],
  ["a negative length", () => new Uint8Array([0xff, 0xff, 0xff, 0xff]), /an answer of -1 bytes/],
  ["a length just above the limit", () => lengthOf(ANSWER_BYTES_MAX + 1), /an answer of 65537 bytes/],
  ["no correlation id", () => new Uint8Array([0, 0, 0, 2, 1, 2]), /an answer to no request/],
  ["an empty answer", () => new Uint8Array(4), /an answer to no request/],
  ["another correlation id", (answer) => withByte(answer, 7, 0x55), /an answer to no request/],
  ["a cut body", (answer) => resized(answer, -3), /the answer to BrokerHeartbeat cannot be decoded/],
  ["a body that is too long", (answer) => resized(answer, 3), /the answer to BrokerHeartbeat cannot be decoded/],
  [
    "words of another protocol",
    () => new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"),
    /an answer of \d+ bytes/,
  ],
];

function lengthOf(length: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setInt32(0, length);
  return bytes;
}

function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  return bytes.map((byte, index) => index === at ? value : byte);
}

function resized(answer: Uint8Array, by: number): Uint8Array {
  const bytes = new Uint8Array(answer.length + by);
  bytes.set(answer.subarray(0, bytes.length));
  new DataView(bytes.buffer).setInt32(0, bytes.length - 4);
  return bytes;
}

for (const [name, bytesOf, sentence] of hostileAnswers) {
  Deno.test(`a channel ends a connection that sends ${name}`, async () => {
    await using fixture = new ChannelFixture();
    const requests = [fixture.channel.heartbeat(HEARTBEAT), fixture.channel.heartbeat(HEARTBEAT)];
    const peer = await fixture.member();
    await peer.expect();
    await peer.send(bytesOf(heartbeatAnswer(await peer.expect())));
    await assertAllFail(requests, "lost", sentence);
    assert.equal(await peer.receive(), null);
  });
}

Deno.test("a channel takes an answer of the largest size in pieces, and no request is sent to a server that answers before it is asked", async () => {
  await using fixture = new ChannelFixture();
  const early = fixture.channel.heartbeat(HEARTBEAT);
  const peer = await fixture.accept();
  const garbage = lengthOf(ANSWER_BYTES_MAX);
  await peer.send(garbage);
  await peer.send(new Uint8Array(ANSWER_BYTES_MAX));
  await assertFails(early, "lost", /an answer to no request/);
});

/** How a server behaves that does not know the secret. */
const impostors: readonly [name: string, login: (peer: Peer) => Promise<void>, sentence: RegExp][] = [
  ["has another secret", (peer) => peer.logIn("another secret").catch(() => {}), /it has another secret/],
  ["does not know SASL", async (peer) => {
    await peer.answer(await peer.expect(), saslHandshakeResponse as Message, { errorCode: 34, mechanisms: [] });
    await refuse(peer, 34);
  }, /it does not recognise brokers \(ILLEGAL_SASL_STATE\)/],
  ["sends no challenge", (peer) => answerWith(peer, ["whatever"]), /its challenge is not one of SCRAM-SHA-256/],
  ["wants one round of salting", (peer) => answerWith(peer, ["r=NONCEx,s=QUJD,i=1"]), /its challenge is not one/],
  [
    "wants a billion rounds of salting",
    (peer) => answerWith(peer, ["r=NONCEx,s=QUJD,i=999999999"]),
    /its challenge is not/,
  ],
  [
    "repeats a challenge of another exchange",
    (peer) => answerWith(peer, ["r=abc,s=QUJD,i=4096"]),
    /its challenge is not/,
  ],
  ["accepts any proof", (peer) => answerWith(peer, ["r=NONCEx,s=QUJD,i=4096", "v=QUJD"]), /it has not shown/],
  ["accepts any proof in silence", (peer) => answerWith(peer, ["r=NONCEx,s=QUJD,i=4096", ""]), /it has not shown/],
];

async function refuse(peer: Peer, errorCode: number): Promise<void> {
  const body = { errorCode, errorMessage: null, authBytes: new Uint8Array(0) };
  await peer.answer(await peer.expect(), saslAuthenticateResponse as Message, body);
}

/** Answers with these tokens, with the client's nonce in the place of NONCE. */
async function answerWith(peer: Peer, tokens: readonly string[]): Promise<void> {
  const handshake = await peer.expect();
  await peer.answer(handshake, saslHandshakeResponse as Message, { errorCode: 0, mechanisms: ["SCRAM-SHA-256"] });
  let nonce = "";
  for (const token of tokens) {
    const received = await peer.expect();
    nonce = /r=([^,]*)/.exec(new TextDecoder().decode(received.body.authBytes as Uint8Array))?.[1] ?? nonce;
    const authBytes = new TextEncoder().encode(token.replace("NONCE", nonce));
    await peer.answer(received, saslAuthenticateResponse as Message, { errorCode: 0, errorMessage: null, authBytes });
  }
}

for (const [name, login, sentence] of impostors) {
  Deno.test(`a channel sends no request to a server that ${name}`, async () => {
    await using fixture = new ChannelFixture();
    const request = fixture.channel.heartbeat(HEARTBEAT);
    const peer = await fixture.accept();
    await login(peer);
    await assertFails(request, name === "has another secret" ? "secret" : "lost", sentence);
    assert.equal(await peer.receive(), null, "it has sent nothing else");
  });
}

Deno.test("a channel is late at once when too many requests have no answer", async () => {
  await using fixture = new ChannelFixture();
  const requests = Array.from({ length: REQUESTS_IN_FLIGHT_MAX }, () => fixture.channel.heartbeat(HEARTBEAT));
  const peer = await fixture.member();
  const received = [];
  for (let index = 0; index < requests.length; index++) received.push(await peer.expect());
  await assertFails(fixture.channel.heartbeat(HEARTBEAT), "late", /64 requests have no answer yet/);
  for (const request of received) await peer.send(heartbeatAnswer(request));
  assert.equal((await Promise.all(requests)).length, REQUESTS_IN_FLIGHT_MAX);
});

Deno.test("a channel that is closed rejects what waits and what comes, whatever it was doing", async () => {
  for (const moment of ["connecting", "logging in", "waiting", "idle"]) {
    await using fixture = new ChannelFixture();
    const requests: Promise<unknown>[] = [];
    if (moment !== "idle") requests.push(fixture.channel.heartbeat(HEARTBEAT));
    if (moment === "logging in") await (await fixture.accept()).expect();
    if (moment === "waiting") await (await fixture.member()).expect();
    fixture.channel.close();
    requests.push(fixture.channel.heartbeat(HEARTBEAT));
    await assertAllFail(requests, "lost", /the channel was closed/);
    fixture.channel.close();
    assert.equal(fixture.lostCount, 0);
  }
});

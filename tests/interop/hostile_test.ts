/**
 * Hostile clients: garbage, cut frames, absurd lengths, connections that send nothing or vanish. Each costs at most its own connection;
 * others are served, descriptors are closed, memory stays within its bounds.
 */
import assert from "node:assert/strict";
import { apis } from "../../net/handlers/mod.ts";
import { waitFor } from "../../bench/peer/processes.ts";
import { ByteWriter, wireBatch } from "../../bench/peer/wire_bytes.ts";
import { requestFrame, WireClient } from "../../bench/peer/wire_client.ts";
import { type BrokerProcess, testsApacheKafka } from "./broker.ts";
import { HONEST, openDescriptors, requestTemplates, residentBytes, stillServes, withVictim } from "./hostile.ts";
import { interopTest } from "./toolchain.ts";

const MEGABYTE = 1 << 20;

Deno.test("requestTemplates() has a valid request of every API", () => {
  const there = new Set(requestTemplates().map(({ api: [key] }) => key));
  const missing = apis.filter(({ key }) => !there.has(key)).map(({ name }) => name);
  assert.deepEqual(
    missing,
    [],
    "tests/interop/hostile.ts has no valid request of these: add one to requestTemplates()",
  );
});

interopTest({
  name: "hostile: garbage, cut frames and vanishing clients cost their own connection only",
  async fn(context) {
    await withVictim(async (broker) => {
      const attacks: [string, (broker: BrokerProcess) => Promise<void>][] = [
        ["words of other protocols are not answered", speakOtherProtocols],
        ["negative and huge lengths close the connection", sendAbsurdLengths],
        ["unknown keys and versions close the connection", sendUnknownRequests],
        ["a request cut at any byte is refused", sendCutRequests],
        ["a large length without its bytes takes no memory", claimLargeFrames],
        ["silent and half-open connections do not hinder others", stayHalfOpen],
        ["clients that vanish leave nothing behind", vanish],
      ];
      for (const [name, attack] of attacks) {
        await context.step(name, async () => {
          await attack(broker);
          await stillServes(broker);
        });
      }
    });
  },
});

/** Runs before memory is compared, because pools and compiled code grow with the first connections. */
const WARM_CONNECTIONS = 60_000;
const COUNTED_CONNECTIONS = 40_000;
/**
 * Pools and heaps grow in steps of megabytes, some of them late. Then more connections are counted: a step is little for each of them, and
 * what each leaves is as much as before.
 */
const COUNTED_CONNECTIONS_MAX = 120_000;
const BYTES_OF_CONNECTION_MAX = 300;

interopTest({
  name: "hostile: connections that come and go leave no memory behind",
  async fn() {
    if (testsApacheKafka) return; // a JVM's heap grows as it pleases
    await withVictim(async (broker) => {
      await comeAndGo(broker, WARM_CONNECTIONS);
      const before = residentBytes(broker);
      let counted = 0;
      let perConnection: number;
      do {
        await comeAndGo(broker, COUNTED_CONNECTIONS);
        counted += COUNTED_CONNECTIONS;
        perConnection = (residentBytes(broker) - before) / counted;
      } while (perConnection >= BYTES_OF_CONNECTION_MAX && counted < COUNTED_CONNECTIONS_MAX);
      assert(
        perConnection < BYTES_OF_CONNECTION_MAX,
        `each of ${counted} connections has left ${Math.round(perConnection)} bytes`,
      );
    });
  },
});

async function comeAndGo(broker: BrokerProcess, count: number): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      using client = await WireClient.connect(broker.port);
      await client.apiVersions();
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

async function speakOtherProtocols(broker: BrokerProcess): Promise<void> {
  const words = [
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "EHLO x\r\n",
    "*1\r\n$4\r\nPING\r\n",
  ];
  for (const word of words) await expectClosed(broker, Uint8Array.from(word, (letter) => letter.charCodeAt(0)));
}

async function sendAbsurdLengths(broker: BrokerProcess): Promise<void> {
  for (const length of [-1, -(2 ** 31), 2 ** 31 - 1, 100 * MEGABYTE + 1, 0, 1, 7]) {
    await expectClosed(
      broker,
      new ByteWriter().int32(length).raw(new Uint8Array(Math.min(8, Math.max(0, length)))).bytes,
    );
  }
}

async function sendUnknownRequests(broker: BrokerProcess): Promise<void> {
  for (const api of [[-1, 0], [999, 0], [0, 99], [1, -1], [3, 500]] as const) {
    await expectClosed(broker, requestFrame(api, 1, new Uint8Array(20)));
  }
}

/** Each valid request, cut after each of its bytes, with the length of the cut. */
async function sendCutRequests(broker: BrokerProcess): Promise<void> {
  for (const { name, api, body } of requestTemplates()) {
    const whole = requestFrame(api, 7, body);
    const cuts = Array.from({ length: body.length }, (_, cut) => requestFrame(api, 7, body.subarray(0, cut)));
    await Promise.all(cuts.map(async (frame) => {
      const answers = await exchange(broker, frame);
      assert(answers === 0 || mayBeCut(name), `${name} cut to ${frame.length} bytes`);
    }));
    assert.equal(await exchange(broker, whole), 1, `${name} in full is answered`);
  }
}

/** ApiVersions is answered in every version, even if the body cannot be read, because a newer client must learn the versions. */
function mayBeCut(name: string): boolean {
  return name.startsWith("ApiVersions");
}

/** Twenty clients announce 100 MB, send 1 MB of it and wait. */
async function claimLargeFrames(broker: BrokerProcess): Promise<void> {
  if (testsApacheKafka) return; // Kafka takes the whole length at once, and twenty are more than its heap
  const before = residentBytes(broker);
  const clients = await Promise.all(Array.from({ length: 20 }, () => WireClient.connect(broker.port)));
  const start = new ByteWriter().int32(100 * MEGABYTE).raw(new Uint8Array(MEGABYTE)).bytes;
  await Promise.all(clients.map((client) => client.sendRaw(start)));
  await stillServes(broker);
  const grown = residentBytes(broker) - before;
  for (const client of clients) client[Symbol.dispose]();
  assert(grown < 400 * MEGABYTE, `twenty claims of 100 MB took ${Math.round(grown / MEGABYTE)} MB`);
}

async function stayHalfOpen(broker: BrokerProcess): Promise<void> {
  const frame = requestFrame([3, 1], 1, new ByteWriter().int32(0).bytes);
  const clients = await Promise.all(Array.from({ length: 200 }, () => WireClient.connect(broker.port)));
  await Promise.all(clients.map((client, i) => client.sendRaw(frame.subarray(0, i % frame.length))));
  await stillServes(broker);
  // A client that closed its sending half in the middle of a request can never finish it.
  await Promise.all(clients.map((client) => client.closeWrite()));
  for (const client of clients) assert.equal(await client.receive(), null, "the broker closes its half too");
  for (const client of clients) client[Symbol.dispose]();
}

/** Connections that end in the middle of a produce, with a waiting fetch, and with unread answers. */
async function vanish(broker: BrokerProcess): Promise<void> {
  const before = openDescriptors(broker);
  const batch = wireBatch([{ value: new Uint8Array(100_000) }]);
  const parked = new ByteWriter().int32(-1).int32(60_000).int32(MEGABYTE * 50).int32(MEGABYTE).int8(0)
    .int32(1).string(HONEST.topic).int32(1).int32(0).int64(0).int32(MEGABYTE).bytes;
  for (let i = 0; i < 300; i++) {
    using client = await WireClient.connect(broker.port);
    if (i % 3 === 0) {
      for (let answers = 0; answers < 5; answers++) await client.sendProduce(HONEST, batch);
    } else if (i % 3 === 1) {
      await client.sendRaw(requestFrame([1, 4], 1, parked));
    } else {
      await client.sendRaw(new ByteWriter().int32(200_000).int16(0).int16(3).raw(new Uint8Array(50_000)).bytes);
    }
  }
  await waitFor(
    "descriptors of vanished clients are closed",
    () => openDescriptors(broker) <= before + 2 || undefined,
    15_000,
  );
}

/** @returns how many answers came before the broker closed the connection, or before 1 */
async function exchange(broker: BrokerProcess, bytes: Uint8Array): Promise<number> {
  using client = await WireClient.connect(broker.port);
  try {
    await client.sendRaw(bytes);
    return await client.receive() === null ? 0 : 1;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) return 0;
    throw error;
  }
}

async function expectClosed(broker: BrokerProcess, bytes: Uint8Array): Promise<void> {
  assert.equal(await exchange(broker, bytes), 0, `the broker closes the connection after ${bytes.subarray(0, 16)}`);
}

/**
 * Sends a hundred thousand seeded random frames over sockets: noise, headers followed by noise, valid requests with flipped bytes, cuts
 * and inflated counts. After each block the broker serves an honest client, and its memory stays within a bound.
 * BARNABAS_SEED replays a run; BARNABAS_SLOW=1 makes it a million.
 */
import assert from "node:assert/strict";
import { requestFrame, WireClient } from "../../bench/peer/wire_client.ts";
import type { BrokerProcess } from "./broker.ts";
import { requestTemplates, residentBytes, stillServes, withVictim } from "./hostile.ts";
import { chooseSeed, Random } from "./random.ts";
import { interopTest, slowTestsWanted } from "./toolchain.ts";

const FRAMES = slowTestsWanted() ? 1_000_000 : 100_000;
const FRAMES_PER_BLOCK = 10_000;
/** Connections at work at the same time. */
const CONNECTIONS = 8;
/** Frames of a connection. Few, because the broker closes it at the first frame that it cannot read. */
const FRAMES_PER_CONNECTION_MAX = 3;
/** How long to wait for answers: a changed fetch may ask the broker to wait for weeks. */
const PATIENCE_MS = 150;
const MEMORY_GROWTH_MAX = 300 << 20;

interopTest({
  name: `fuzz: ${FRAMES} random frames over sockets harm nobody, and memory stays bounded`,
  async fn(context) {
    const random = new Random(chooseSeed());
    await withVictim(async (broker) => {
      await stillServes(broker);
      const before = residentBytes(broker);
      for (let sent = 0; sent < FRAMES; sent += FRAMES_PER_BLOCK) {
        await context.step(`frames ${sent + 1} to ${sent + FRAMES_PER_BLOCK} (seed ${random.seed})`, async () => {
          await sendBlock(broker, random);
          await stillServes(broker);
          const grown = residentBytes(broker) - before;
          assert(grown < MEMORY_GROWTH_MAX, `memory grew by ${grown >> 20} MB`);
        });
      }
      await context.step("canary: a broker that has died is noticed", async () => {
        await broker.process.kill();
        await assert.rejects(stillServes(broker));
      });
    });
  },
});

async function sendBlock(broker: BrokerProcess, random: Random): Promise<void> {
  let left = FRAMES_PER_BLOCK;
  const worker = async () => {
    while (left > 0) {
      const count = 1 + random.below(FRAMES_PER_CONNECTION_MAX);
      left -= count;
      const frames = Array.from({ length: count }, () => randomFrame(random));
      await sendAndDrain(broker.port, frames);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
}

/** Sends frames and then an honest request; reads until that is answered, the connection ends or the time is over. */
async function sendAndDrain(port: number, frames: readonly Uint8Array[]): Promise<void> {
  using client = await WireClient.connect(port);
  const timer = setTimeout(() => client[Symbol.dispose](), PATIENCE_MS);
  try {
    for (const frame of frames) await client.sendRaw(frame);
    await client.sendRaw(requestFrame([18, 0], HONEST_ID, new Uint8Array()));
    while (true) {
      const answer = await client.receive();
      if (answer === null || new DataView(answer.buffer).getInt32(0) === HONEST_ID) return;
    }
  } catch (error) {
    if (!lostConnections.some((kind) => error instanceof kind)) throw error;
  } finally {
    clearTimeout(timer);
  }
}

const HONEST_ID = 0x600df00d;

const lostConnections = [
  Deno.errors.ConnectionReset,
  Deno.errors.BrokenPipe,
  Deno.errors.BadResource, // closed by this test after the time was over
  Deno.errors.Interrupted,
];

const templates = requestTemplates();

function randomFrame(random: Random): Uint8Array {
  const { api: [key, version], body } = random.pick(templates);
  switch (random.below(5)) {
    case 0: // noise with a correct length
      return framed(random.bytes(random.below(200)));
    case 1: // a header of some API and version, followed by noise
      return requestFrame([random.below(80), random.below(20)], random.below(1000), random.bytes(random.below(200)));
    case 2: // the right body for another version
      return requestFrame([key, random.below(19)], random.below(1000), body);
    case 3: // a cut body
      return requestFrame([key, version], random.below(1000), body.subarray(0, random.below(body.length + 1)));
    default:
      return requestFrame([key, version], random.below(1000), bent(random, body));
  }
}

function framed(bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + bytes.length);
  new DataView(frame.buffer).setInt32(0, bytes.length);
  frame.set(bytes, 4);
  return frame;
}

/** A body with a few changed bytes; sometimes four of them become a count that is far too large. */
function bent(random: Random, body: Uint8Array): Uint8Array {
  const copy = body.slice();
  for (let changes = 1 + random.below(4); changes > 0 && copy.length > 0; changes--) {
    const at = random.below(copy.length);
    if (random.oneIn(3)) copy.fill(random.pick([0x00, 0x7f, 0xff]), at, at + 4);
    else copy[at]! ^= 1 << random.below(8);
  }
  return copy;
}

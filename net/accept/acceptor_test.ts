import { strict as assert } from "node:assert";
import { closeDescriptor, nativeMemory } from "../../storage/mod.ts";
import { libc, word64 } from "../../storage/sys/libc.ts";
import { Acceptor } from "./acceptor.ts";
import type { ClientQuota } from "../../partitions/control.ts";
import { ConnectionLimits } from "./connection_limits.ts";
import { ConnectionRates } from "./connection_rates.ts";
import { DescriptorBudget } from "./descriptor_budget.ts";
import { Handoff } from "./handoff.ts";

const SOL_SOCKET = 1;
const SO_LINGER = 13;

/** Connects and resets the connection at once (SO_LINGER of 0 seconds). */
async function connectAndReset(port: number, handoff: Handoff): Promise<void> {
  const fd = handoff.take(await Deno.connect({ hostname: "127.0.0.1", port }));
  const linger = nativeMemory(new ArrayBuffer(128));
  linger.view.setInt32(0, 1, true);
  assert.equal(libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, word64(linger.address), 8), 0);
  closeDescriptor(fd);
}

const limits = new ConnectionLimits({
  config: {
    maxConnections: Infinity,
    maxConnectionsPerIp: Infinity,
    maxConnectionsPerIpOverrides: {},
    listeners: [{ name: "PLAINTEXT" }],
    interBrokerListenerName: "PLAINTEXT",
  },
  descriptors: new DescriptorBudget({ limit: 100_000, usedCount: 30 }, 2),
  openCount: () => 0,
  partitionsCount: () => 0,
});

/** Rates of a broker with one listener. */
function ratesOf(maxConnectionCreationRate: number, clientQuotas: readonly ClientQuota[] = []): ConnectionRates {
  const listeners = [{ name: "PLAINTEXT" }];
  const windows = { quotaWindowNum: 1, quotaWindowMs: 1000 };
  const config = { maxConnectionCreationRate, listenerConnectionCreationRates: new Map(), listeners, ...windows };
  return new ConnectionRates({
    config: { ...config, interBrokerListenerName: "PLAINTEXT" },
    clientQuotas: () => clientQuotas,
  });
}

Deno.test("Acceptor takes the next connection at once, without a warning, after clients that reset theirs before the accept", async () => {
  const warnings: string[] = [];
  const accepted = Promise.withResolvers<number>();
  const acceptor = new Acceptor({ limits, rates: ratesOf(2 ** 31 - 1) }, {
    onConnection: ({ fd }) => accepted.resolve(fd),
    onWarning: (text) => warnings.push(text),
  });
  using handoff = new Handoff();
  const port = acceptor.listen({ host: "127.0.0.1", port: 0 });
  // Nobody accepts yet: all of them wait in the kernel's queue.
  for (let index = 0; index < 300; index++) await connectAndReset(port, handoff);
  using _last = await Deno.connect({ hostname: "127.0.0.1", port });
  acceptor.start();
  closeDescriptor(await accepted.promise);
  assert.deepEqual(warnings, []);
  await acceptor.close();
});

/** The client's end of a connection has been closed by the broker, after so many ms. */
async function closedAfterMs(port: number): Promise<number> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const beganMs = performance.now();
  assert.equal(await connection.read(new Uint8Array(1)), null);
  return performance.now() - beganMs;
}

Deno.test("Acceptor holds the connections of an address above its quota, closes them, and all of them at its end", async () => {
  const warnings: string[] = [];
  const rates = ratesOf(2 ** 31 - 1, [{ entity: { ip: null }, values: { connection_creation_rate: 5 } }]);
  const isSecondHeld = Promise.withResolvers<void>();
  const decisions: number[] = [];
  const noted = {
    accepted: () => 0,
    refused: (host: string, listener: number, nowMs: number) => {
      const holdMs = rates.refused(host, listener, nowMs);
      if (decisions.push(holdMs) === 2) isSecondHeld.resolve();
      return holdMs;
    },
  };
  const acceptor = new Acceptor(
    { limits, rates: noted },
    { onConnection: ({ fd }) => closeDescriptor(fd), onWarning: (text) => warnings.push(text) },
  );
  const port = acceptor.listen({ host: "127.0.0.1", port: 0 });
  acceptor.start();
  // One window of a quota of 5 saves nothing up, so that the first connection is above it, too: it would take 200 ms.
  const heldMs = await closedAfterMs(port);
  assert(heldMs > 150, `closed after ${heldMs} ms`);
  const held = closedAfterMs(port);
  await isSecondHeld.promise;
  await acceptor.close();
  assert(await held < 2000);
  assert.deepEqual(warnings, []);
});

Deno.test("Acceptor takes no more connections a second than the broker's rate, and closes while one waits", async () => {
  const takenMs: number[] = [];
  const acceptor = new Acceptor({ limits, rates: ratesOf(10) }, {
    onConnection: ({ fd }) => {
      closeDescriptor(fd);
      takenMs.push(performance.now());
    },
    onWarning: (text) => assert.fail(text),
  });
  const port = acceptor.listen({ host: "127.0.0.1", port: 0 });
  acceptor.start();
  await Promise.all([closedAfterMs(port), closedAfterMs(port), closedAfterMs(port)]);
  const tookMs = (takenMs[2] as number) - (takenMs[0] as number);
  assert(takenMs.length === 3 && tookMs > 150, `3 connections within ${tookMs} ms`);
  using _waiting = await Deno.connect({ hostname: "127.0.0.1", port });
  await acceptor.close();
});

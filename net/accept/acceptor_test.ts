import { strict as assert } from "node:assert";
import { closeDescriptor, nativeMemory } from "../../storage/mod.ts";
import { libc, word64 } from "../../storage/sys/libc.ts";
import { Acceptor } from "./acceptor.ts";
import { ConnectionLimits } from "./connection_limits.ts";
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

Deno.test("Acceptor takes the next connection at once, without a warning, after clients that reset theirs before the accept", async () => {
  const limits = new ConnectionLimits({
    maxConnections: Infinity,
    maxConnectionsPerIp: Infinity,
    maxConnectionsPerIpOverrides: {},
    listeners: [{ name: "PLAINTEXT" }],
    interBrokerListenerName: "PLAINTEXT",
    descriptors: new DescriptorBudget({ limit: 100_000, usedCount: 30 }, 2),
    openCount: () => 0,
    partitionsCount: () => 0,
  });
  const warnings: string[] = [];
  const accepted = Promise.withResolvers<number>();
  const acceptor = new Acceptor(limits, {
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

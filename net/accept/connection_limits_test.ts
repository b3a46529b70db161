import { strict as assert } from "node:assert";
import { ConnectionLimits, UNCOUNTED } from "./connection_limits.ts";
import { DescriptorBudget } from "./descriptor_budget.ts";

const NO_LIMIT = 2 ** 31 - 1;

const descriptors = new DescriptorBudget({ limit: 1000, usedCount: 30 }, 2);

interface Changes {
  most?: number;
  perIp?: number;
  overrides?: Record<string, number>;
  openCount?: () => number;
  partitionsCount?: number;
  listeners?: string[];
}

function settingsOf(of: Changes) {
  return {
    maxConnections: of.most ?? NO_LIMIT,
    maxConnectionsPerIp: of.perIp ?? NO_LIMIT,
    maxConnectionsPerIpOverrides: of.overrides ?? {},
    listeners: (of.listeners ?? ["PLAINTEXT"]).map((name) => ({ name })),
    interBrokerListenerName: "PLAINTEXT",
  };
}

function limitsOf(of: Changes, config = settingsOf(of)) {
  return new ConnectionLimits({
    config,
    descriptors,
    openCount: of.openCount ?? (() => 0),
    partitionsCount: () => of.partitionsCount ?? 0,
  });
}

Deno.test("ConnectionLimits.obstacle() refuses exactly while max.connections are open", () => {
  let openCount = 0;
  const limits = limitsOf({ most: 2, openCount: () => openCount });
  assert.equal(limits.obstacle(10), null);
  openCount = 2;
  assert.match(limits.obstacle(10)?.text ?? "", /2 connections \(max\.connections\)/);
  assert.equal(limits.obstacle(10)?.closes, false);
  openCount = 1;
  assert.equal(limits.obstacle(10), null);
  assert.match(limitsOf({ most: 0 }).obstacle(10)?.text ?? "", /0 connections/);
});

Deno.test("ConnectionLimits.obstacle() lets other brokers pass max.connections at a listener of their own", () => {
  const full = { most: 2, openCount: () => 2 };
  assert.notEqual(limitsOf(full).obstacle(10, 0), null, "one listener is for clients, too");
  const limits = limitsOf({ ...full, listeners: ["CLIENTS", "PLAINTEXT"] });
  assert.notEqual(limits.obstacle(10, 0), null);
  assert.equal(limits.obstacle(10, 1), null);
  assert.match(limits.obstacle(Infinity, 1)?.text ?? "", /ulimit -n/);
});

Deno.test("ConnectionLimits.obstacle() keeps descriptors for partitions and files, but always admits some connections", () => {
  const { slots, connectionsMin, logsMax, limit } = descriptors;
  for (
    const [partitionsCount, most] of [[0, slots], [100, slots - 100], [logsMax, connectionsMin], [5000, connectionsMin]]
  ) {
    const taking = limitsOf({ partitionsCount, openCount: () => (most as number) - 1 });
    assert.equal(taking.obstacle(500), null);
    const full = limitsOf({ partitionsCount, openCount: () => most as number }).obstacle(500);
    assert.equal(full?.closes, true);
    assert.match(full?.text ?? "", /may have 1000 \(ulimit -n\), \d+ are for partitions, and \d+ connections are open/);
  }
  for (const next of [limit - 136, limit - 1, Infinity]) {
    assert.equal(limitsOf({}).obstacle(next)?.closes, true, `${next}`);
  }
  assert.equal(limitsOf({}).obstacle(limit - 137), null);
});

Deno.test("ConnectionLimits.admit() refuses an address at its limit, and admits it again after one connection closed", () => {
  const limits = limitsOf({ perIp: 2, overrides: { "10.0.0.9": 1, "::5": 3 } });
  const peers = [limits.admit("10.0.0.1"), limits.admit("10.0.0.1"), limits.admit("10.0.0.2")];
  assert.equal(new Set(peers).size, 3);
  assert.ok(peers.every((peer) => typeof peer === "number" && peer !== UNCOUNTED));
  assert.deepEqual(limits.admit("10.0.0.1"), {
    refused: "Closed a connection from 10.0.0.1: it has 2 (max.connections.per.ip)",
  });
  assert.equal(limits.refusedCount, 1);
  limits.onClosed([UNCOUNTED, peers[0] as number]);
  assert.equal(typeof limits.admit("10.0.0.1"), "number");
  assert.equal(typeof limits.admit("10.0.0.1"), "object");
  assert.equal(typeof limits.admit("10.0.0.9"), "number");
  assert.equal(typeof limits.admit("::ffff:10.0.0.9"), "object", "the same address by an IPv6 socket");
  for (let index = 0; index < 3; index++) assert.equal(typeof limits.admit("::5"), "number");
  assert.equal(typeof limits.admit("::5"), "object");
});

Deno.test("ConnectionLimits counts the connections that were there before an address had a limit, and follows changed limits", () => {
  const config = settingsOf({});
  const limits = limitsOf({ openCount: () => 3 }, config);
  const peers = Array.from({ length: 3 }, () => limits.admit("10.0.0.1") as number);
  assert.equal(new Set(peers).size, 3);
  config.maxConnectionsPerIp = 2;
  assert.equal(typeof limits.admit("10.0.0.1"), "object");
  limits.onClosed(peers.slice(0, 2));
  assert.equal(typeof limits.admit("10.0.0.1"), "number");
  assert.equal(typeof limits.admit("10.0.0.1"), "object");
  config.maxConnectionsPerIpOverrides = { "10.0.0.1": 3 };
  assert.equal(typeof limits.admit("10.0.0.1"), "number");
  assert.equal(limits.obstacle(10), null);
  config.maxConnections = 3;
  assert.match(limits.obstacle(10)?.text ?? "", /3 connections/);
});

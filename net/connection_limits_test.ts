import { strict as assert } from "node:assert";
import { ConnectionLimits, UNCOUNTED } from "./connection_limits.ts";
import { divideDescriptors } from "./descriptor_budget.ts";

const NO_LIMIT = 2 ** 31 - 1;

function limitsOf(of: { most?: number; perIp?: number; overrides?: Record<string, number>; openCount?: () => number }) {
  return new ConnectionLimits({
    maxConnections: of.most ?? NO_LIMIT,
    maxConnectionsPerIp: of.perIp ?? NO_LIMIT,
    maxConnectionsPerIpOverrides: of.overrides ?? {},
    descriptors: divideDescriptors(1000, 2),
    openCount: of.openCount ?? (() => 0),
  });
}

Deno.test("ConnectionLimits.obstacle() is there exactly while max.connections are open", () => {
  let openCount = 0;
  const limits = limitsOf({ most: 2, openCount: () => openCount });
  assert.equal(limits.obstacle(10), null);
  openCount = 2;
  assert.match(limits.obstacle(10) ?? "", /2 connections \(max\.connections\)/);
  openCount = 1;
  assert.equal(limits.obstacle(10), null);
  assert.match(limitsOf({ most: 0 }).obstacle(10) ?? "", /0 connections/);
});

Deno.test("ConnectionLimits.obstacle() keeps every descriptor from connectionsEnd on for files", () => {
  const limits = limitsOf({});
  assert.equal(limits.obstacle(749), null);
  for (const next of [750, 999, Infinity]) assert.match(limits.obstacle(next) ?? "", /last 250 are for files/);
});

Deno.test("ConnectionLimits.admit() refuses what an address has too many of, and takes more once one closed", () => {
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

Deno.test("ConnectionLimits.admit() counts nothing where no address has a limit", () => {
  const limits = limitsOf({});
  for (let index = 0; index < 1000; index++) assert.equal(limits.admit("10.0.0.1"), UNCOUNTED);
  limits.onClosed([UNCOUNTED]);
});

import { strict as assert } from "node:assert";
import { IdleConnections, type MaybeIdle } from "./idle_connections.ts";

const MAX_IDLE_MS = 1600;

class Fixture {
  readonly connections = new Set<MaybeIdle & { isServed: boolean }>();
  readonly idle: IdleConnections;
  nowMs = 5000;

  constructor(maxIdleMs = MAX_IDLE_MS) {
    this.idle = new IdleConnections(maxIdleMs, this.nowMs);
  }

  add(): MaybeIdle & { isServed: boolean } {
    const connection = { activeTick: 0, isServed: false };
    this.idle.markActive(connection);
    this.connections.add(connection);
    return connection;
  }

  /** Lets time pass as a reactor does, which wakes at each tick. @returns when each connection was found, in ms from now */
  pass(ms: number): Map<MaybeIdle, number> {
    const found = new Map<MaybeIdle, number>();
    const startMs = this.nowMs;
    while (this.idle.nextMs <= startMs + ms) {
      this.nowMs = this.idle.nextMs;
      for (const connection of this.idle.expire(this.nowMs, this.connections)) {
        found.set(connection, this.nowMs - startMs);
        this.connections.delete(connection as MaybeIdle & { isServed: boolean });
      }
    }
    this.nowMs = startMs + ms;
    return found;
  }
}

Deno.test("IdleConnections.expire() finds a connection after the idle time, and at most an eighth later", () => {
  for (const offsetMs of [0, 1, 50, 99]) {
    const fixture = new Fixture();
    fixture.pass(offsetMs);
    const connection = fixture.add();
    const afterMs = fixture.pass(3 * MAX_IDLE_MS).get(connection) ?? Infinity;
    assert.ok(afterMs >= MAX_IDLE_MS && afterMs <= MAX_IDLE_MS * 1.13, `${afterMs}`);
  }
});

Deno.test("IdleConnections.expire() keeps active connections, and those whose client waits for the broker", () => {
  const fixture = new Fixture();
  const [active, served, quiet] = [fixture.add(), fixture.add(), fixture.add()];
  served.isServed = true;
  let found: MaybeIdle[] = [];
  for (let round = 0; round < 40; round++) {
    found = found.concat([...fixture.pass(MAX_IDLE_MS / 10).keys()]);
    fixture.idle.markActive(active);
  }
  assert.deepEqual(found, [quiet]);
  served.isServed = false;
  const afterMs = fixture.pass(2 * MAX_IDLE_MS).get(served) ?? 0;
  assert.ok(afterMs >= MAX_IDLE_MS, "its idle time begins when it has been served");
});

Deno.test("IdleConnections.expire() finds nothing without a limit, and works with a limit of 0", () => {
  const never = new Fixture(Infinity);
  never.add();
  assert.equal(never.idle.nextMs, Infinity);
  assert.deepEqual(never.idle.expire(1e12, never.connections), []);
  const atOnce = new Fixture(0);
  const connection = atOnce.add();
  assert.ok((atOnce.pass(1000).get(connection) ?? Infinity) <= 200);
});

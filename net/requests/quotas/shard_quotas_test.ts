import { strict as assert } from "node:assert";
import { type ClientQuota, RateTable } from "../../../partitions/mod.ts";
import type { ChargedClient } from "./quotas.ts";
import { ShardQuotas } from "./shard_quotas.ts";

/** The shards of a broker, with a clock. */
class Fixture {
  nowMs = 1_000_000;
  readonly image: { clientQuotas: readonly ClientQuota[] } = { clientQuotas: [] };
  readonly shards: readonly ShardQuotas[];

  constructor(clientQuotas: readonly ClientQuota[] = [], shardsCount = 1) {
    this.image.clientQuotas = clientQuotas;
    const memory = RateTable.allocate(shardsCount);
    const { image } = this;
    this.shards = Array.from({ length: shardsCount }, (_, shard) => {
      const table = new RateTable(memory, { shard, shardsCount });
      return new ShardQuotas({ image, table, windowNum: 11, windowMs: 1000, nowMs: () => this.nowMs });
    });
  }

  get shard(): ShardQuotas {
    return this.shards[0] as ShardQuotas;
  }
}

function client(clientId = "c", changes: Partial<ChargedClient> = {}): ChargedClient {
  return { principal: "User:u", clientId, brokerId: null, clientRates: null, ...changes };
}

function quota(entity: ClientQuota["entity"], values: Record<string, number>): ClientQuota {
  return { entity, values };
}

const byClient = (values: Record<string, number>) => quota({ "client-id": null }, values);

Deno.test("ShardQuotas charges nothing and remembers nothing while there are no quotas", () => {
  const { shard, image } = new Fixture();
  const one = client();
  for (const kind of ["produce", "fetch", "request"] as const) {
    assert.deepEqual([shard.charge(one, kind, 1e9), shard.tryCharge(one, kind, 1e9)], [0, 0]);
  }
  assert.deepEqual([shard.isEmpty, shard.measuresTime, shard.fetchBytesMax(one)], [true, false, Infinity]);
  assert.equal(one.clientRates, null);
  image.clientQuotas = [quota({ ip: null }, { connection_creation_rate: 1 })];
  assert.deepEqual([shard.isEmpty, shard.charge(one, "produce", 1e9)], [true, 0]);
});

Deno.test("ShardQuotas charges the connections of a client on all shards against one rate", () => {
  const fixture = new Fixture([byClient({ producer_byte_rate: 1000 })], 4);
  const connections = Array.from({ length: 12 }, () => client());
  const beganMs = fixture.nowMs;
  const freeMs = connections.map(() => beganMs);
  let [used, usedAt15s] = [0, 0];
  for (; fixture.nowMs < beganMs + 45_000; fixture.nowMs++) {
    for (const [index, connection] of connections.entries()) {
      if ((freeMs[index] as number) > fixture.nowMs) continue;
      const shard = fixture.shards[index % 4] as ShardQuotas;
      freeMs[index] = fixture.nowMs + shard.charge(connection, "produce", 50);
      used += 50;
    }
    if (fixture.nowMs === beganMs + 15_000) usedAt15s = used;
  }
  const measured = (used - usedAt15s) / 30;
  assert(measured > 950 && measured < 1050, `${measured} bytes a second`);
});

Deno.test("ShardQuotas finds another quota when the client id, the user or the quotas change", () => {
  const { shard, image } = new Fixture([
    quota({ "client-id": "slow" }, { producer_byte_rate: 1 }),
    quota({ user: "v" }, { producer_byte_rate: 10 }),
  ]);
  const one = client("slow");
  assert.equal(shard.charge(one, "produce", 20), 10_000);
  const other = { ...one, clientId: "fast" };
  assert.equal(shard.charge(other, "produce", 1e6), 0);
  assert.equal(shard.charge({ ...one, principal: "User:v" }, "produce", 200), 10_000);
  image.clientQuotas = [quota({ "client-id": "slow" }, { producer_byte_rate: 2 })];
  assert.equal(shard.charge(one, "produce", 10), 10_000);
  image.clientQuotas = [];
  assert.equal(shard.charge(one, "produce", 1e6), 0);
});

Deno.test("ShardQuotas.tryCharge() charges nothing that has to wait, and what exceeds all that can be saved up once all is", () => {
  const fixture = new Fixture([byClient({ consumer_byte_rate: 1000 })]);
  const { shard } = fixture;
  const one = client();
  assert.equal(shard.fetchBytesMax(one), 10_000);
  assert.equal(shard.tryCharge(one, "fetch", 9000), 0);
  assert.equal(shard.tryCharge(one, "fetch", 2000), 1000);
  assert.equal(shard.tryCharge(one, "fetch", 2000), 1000);
  fixture.nowMs += 1000;
  assert.equal(shard.tryCharge(one, "fetch", 2000), 0);
  assert.equal(shard.tryCharge(one, "fetch", 50_000), 50_000);
  fixture.nowMs += 10_000;
  assert.equal(shard.tryCharge(one, "fetch", 50_000), 0);
  assert.equal(shard.tryCharge(one, "fetch", 1), 40_001);
});

Deno.test("ShardQuotas takes request_percentage as a share of a thread, and pauses for a window at most", () => {
  const fixture = new Fixture([byClient({ request_percentage: 50 })]);
  const { shard } = fixture;
  const one = client();
  assert.equal(shard.measuresTime, true);
  assert.equal(shard.charge(one, "request", 5_000_000), 0);
  assert.equal(shard.charge(one, "request", 1_000), 2);
  assert.equal(shard.charge(one, "request", 1e12), 1000);
  fixture.nowMs += 11_000;
  assert.equal(shard.charge(one, "request", 0), 0, "what could not be paid for by pauses is forgiven");
});

Deno.test("ShardQuotas charges no broker, and bears any value and any client id", () => {
  for (const value of [0, -1, NaN]) {
    const { shard } = new Fixture([byClient({ producer_byte_rate: value, consumer_byte_rate: value })]);
    assert.equal(shard.charge(client(), "produce", 1), 2 ** 31 - 1);
    assert.equal(shard.tryCharge(client(), "fetch", 1), 2 ** 31 - 1);
    assert.equal(shard.charge(client("c", { brokerId: 1 }), "produce", 1), 0);
  }
  for (const value of [2 ** 53, Number.MAX_VALUE, Infinity, Number.MIN_VALUE]) {
    const { shard } = new Fixture([byClient({ producer_byte_rate: value, consumer_byte_rate: value })]);
    const pauseMs = shard.charge(client(), "produce", 1e9);
    assert.equal(pauseMs, value < 1 ? 2 ** 31 - 1 : 0);
    assert(shard.fetchBytesMax(client()) >= 0);
  }
  const { shard } = new Fixture([byClient({ producer_byte_rate: 1 })]);
  for (const clientId of ["", "\0", "\ud800", "x".repeat(32_767), "__proto__"]) {
    assert.equal(shard.charge(client(clientId), "produce", 20), clientId === "" ? 0 : 10_000);
  }
});

Deno.test("ShardQuotas keeps to a rate whatever client ids somebody invents meanwhile", () => {
  const fixture = new Fixture([byClient({ producer_byte_rate: 1000 })]);
  const { shard } = fixture;
  const one = client("one");
  assert.equal(shard.charge(one, "produce", 60_000), 50_000);
  for (let index = 0; index < 50_000; index++) {
    shard.charge(client(`invented ${index}`), "produce", 10);
  }
  fixture.nowMs += 1000;
  assert.equal(shard.charge(one, "produce", 0), 49_000);
});

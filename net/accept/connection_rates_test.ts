import { strict as assert } from "node:assert";
import type { ClientQuota } from "../../partitions/control.ts";
import { ADDRESSES_MAX, ConnectionRates } from "./connection_rates.ts";

const NO_LIMIT = 2 ** 31 - 1;

interface Changes {
  readonly broker?: number;
  readonly byListener?: Readonly<Record<string, number>>;
  readonly listeners?: readonly string[];
  readonly quotas?: readonly ClientQuota[];
}

function create({ broker = NO_LIMIT, byListener = {}, listeners = ["PLAINTEXT"], quotas = [] }: Changes) {
  const config = {
    maxConnectionCreationRate: broker,
    listenerConnectionCreationRates: new Map(Object.entries(byListener)),
    quotaWindowNum: 11,
    quotaWindowMs: 1000,
    listeners: listeners.map((name) => ({ name })),
    interBrokerListenerName: "BROKERS",
  };
  const image = { quotas };
  return { rates: new ConnectionRates({ config, clientQuotas: () => image.quotas }), config, image };
}

const ofAddress = (ip: string | null, value: number): ClientQuota => ({
  entity: { ip },
  values: { connection_creation_rate: value },
});

Deno.test("ConnectionRates lets a burst of ten seconds pass, then as many as the rate allows, and waits for a second at most", () => {
  const { rates, config } = create({ broker: 5 });
  for (let count = 0; count < 50; count++) assert.equal(rates.accepted(0, 0), 0);
  assert.equal(rates.accepted(0, 0), 200);
  assert.equal(rates.accepted(0, 200), 200);
  for (let count = 0; count < 100; count++) rates.accepted(0, 400);
  assert.equal(rates.accepted(0, 400), 1000);
  config.maxConnectionCreationRate = NO_LIMIT;
  assert.equal(rates.accepted(0, 400), 0);
  config.maxConnectionCreationRate = 0;
  assert.equal(rates.accepted(0, 400), 1000);
});

Deno.test("ConnectionRates limits a listener by its own rate and by the broker's, but the brokers' listener by its own alone", () => {
  const { rates } = create({ broker: 10, byListener: { slow: 1, brokers: 2 }, listeners: ["SLOW", "FAST", "BROKERS"] });
  for (let count = 0; count < 10; count++) assert.equal(rates.accepted(0, 0), 0);
  assert.equal(rates.accepted(0, 0), 1000);
  for (let count = 0; count < 89; count++) assert.equal(rates.accepted(1, 0), 0);
  assert.equal(rates.accepted(1, 0), 100);
  for (let count = 0; count < 20; count++) assert.equal(rates.accepted(2, 0), 0);
  assert.equal(rates.accepted(2, 0), 500);
});

Deno.test("ConnectionRates refuses an address above its quota, or above that of all others, and charges nothing else with it", () => {
  const { rates, image } = create({ broker: 1, quotas: [ofAddress(null, 1), ofAddress("2001:DB8:0::7", 2)] });
  for (let count = 0; count < 10; count++) {
    assert.deepEqual([rates.accepted(0, 0), rates.refused("10.0.0.1", 0, 0)], [0, 0]);
  }
  assert.deepEqual([rates.accepted(0, 1000), rates.refused("::ffff:10.0.0.1", 0, 1000)], [0, 0]);
  assert.equal(rates.accepted(0, 1000), 1000);
  assert.equal(rates.refused("10.0.0.1", 0, 1000), 1000);
  assert.equal(rates.accepted(0, 2000), 0, "the refused one was not counted");
  for (let count = 0; count < 20; count++) assert.equal(rates.refused("2001:db8::7", 0, 0), 0);
  assert.equal(rates.refused("2001:db8::7", 0, 0), 500);
  assert.equal(rates.refused("10.0.0.2", 0, 0), 0);
  image.quotas = [];
  assert.equal(rates.refused("10.0.0.1", 0, 1000), 0);
  image.quotas = [ofAddress("10.0.0.1", 0)];
  assert.equal(rates.refused("10.0.0.1", 0, 1000), 1000);
  assert.equal(rates.refused("10.0.0.2", 0, 1000), 0);
});

Deno.test("ConnectionRates counts a limited number of addresses", () => {
  const { rates } = create({ quotas: [ofAddress(null, 1)] });
  for (let count = 0; count < 10; count++) rates.refused("10.9.9.9", 0, 0);
  for (let index = 0; index < ADDRESSES_MAX; index++) rates.refused(`10.0.${index >> 8}.${index & 255}`, 0, 0);
  assert.equal(rates.refused("10.9.9.9", 0, 0), 0);
});

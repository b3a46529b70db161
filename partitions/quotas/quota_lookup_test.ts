import { strict as assert } from "node:assert";
import { createRandom } from "../../storage/base/random.ts";
import type { ClientQuota, QuotaEntity } from "../metadata/settings/quota_rows.ts";
import { QuotaLookup } from "./quota_lookup.ts";

const RATE = "producer_byte_rate";

function quota(entity: QuotaEntity, value: number, name = RATE): ClientQuota {
  return { entity, values: { [name]: value } };
}

/** Kafka's levels for the client c of the user u, the most specific first. */
const LEVELS: readonly QuotaEntity[] = [
  { user: "u", "client-id": "c" },
  { user: "u", "client-id": null },
  { user: "u" },
  { user: null, "client-id": "c" },
  { user: null, "client-id": null },
  { user: null },
  { "client-id": "c" },
  { "client-id": null },
];

Deno.test("QuotaLookup.find() takes the first of Kafka's eight levels that has a quota, for each subset of them", () => {
  for (let subset = 0; subset < 2 ** LEVELS.length; subset++) {
    const has = LEVELS.flatMap((entity, level) => (subset >> level & 1) === 1 ? [quota(entity, level + 1)] : []);
    const lookup = new QuotaLookup([...has].reverse(), RATE);
    const first = LEVELS.findIndex((_, level) => (subset >> level & 1) === 1);
    assert.equal(lookup.find("u", "c")?.perSecond, first === -1 ? undefined : first + 1);
    assert.equal(lookup.isEmpty, subset === 0);
  }
});

Deno.test("QuotaLookup.find() names as sharers a pair, a user or a client id, by the level where the quota was found", () => {
  const clients = [["u", "c"], ["u", "d"], ["v", "c"], ["v", "d"]] as const;
  const shared = (entity: QuotaEntity) => {
    const lookup = new QuotaLookup([quota(entity, 1)], RATE);
    return clients.map(([user, clientId]) => lookup.find(user, clientId)?.sharers);
  };
  const groups = (names: readonly (string | undefined)[]) =>
    names.map((name) => name === undefined ? -1 : names.indexOf(name));
  assert.deepEqual(LEVELS.map((entity) => groups(shared(entity))), [
    [0, -1, -1, -1],
    [0, 1, -1, -1],
    [0, 0, -1, -1],
    [0, -1, 2, -1],
    [0, 1, 2, 3],
    [0, 0, 2, 2],
    [0, -1, 0, -1],
    [0, 1, 0, 1],
  ]);
});

Deno.test("QuotaLookup.find() gives a client without id no quota of a client id", () => {
  const all = LEVELS.map((entity, level) => quota(entity, level + 1));
  assert.equal(new QuotaLookup(all, RATE).find("u", "")?.perSecond, 3);
  assert.equal(new QuotaLookup(all, RATE).find("w", "")?.perSecond, 6);
  assert.equal(new QuotaLookup([quota({ "client-id": null }, 1)], RATE).find("u", ""), null);
});

Deno.test("QuotaLookup.find() confuses no names, whatever characters they have", () => {
  const random = createRandom(7);
  const name = () =>
    Array.from({ length: 1 + Math.floor(random() * 3) }, () => "u1c:\0"[Math.floor(random() * 5)]).join("");
  const pairs = new QuotaLookup([quota({ user: null, "client-id": null }, 1)], RATE);
  const users = new QuotaLookup([quota({ user: null }, 1)], RATE);
  const clients = new QuotaLookup([quota({ "client-id": null }, 1)], RATE);
  const seen = new Map<string, string>();
  for (let round = 0; round < 5000; round++) {
    const [user, clientId] = [name(), name()];
    const sharers: [string | undefined, unknown][] = [
      [pairs.find(user, clientId)?.sharers, [user, clientId]],
      [users.find(user, clientId)?.sharers, [user, null]],
      [clients.find(user, clientId)?.sharers, [null, clientId]],
    ];
    for (const [key = "", of] of sharers) {
      assert.equal(seen.get(key) ?? JSON.stringify(of), JSON.stringify(of));
      seen.set(key, JSON.stringify(of));
    }
  }
});

Deno.test("QuotaLookup leaves other values and addresses out", () => {
  const others = [quota({ user: "u" }, 1, "consumer_byte_rate"), quota({ ip: null }, 1)];
  assert(new QuotaLookup(others, RATE).isEmpty);
  assert.equal(new QuotaLookup([quota({ user: "__proto__" }, 3)], RATE).find("__proto__", "x")?.perSecond, 3);
});

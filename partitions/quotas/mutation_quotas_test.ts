import { strict as assert } from "node:assert";
import type { ClientQuota } from "../metadata/settings/quota_rows.ts";
import { MutationQuotas, REMEMBERED_MAX } from "./mutation_quotas.ts";

const THROTTLING_QUOTA_EXCEEDED = 89;
const config = { controllerQuotaWindowNum: 11, controllerQuotaWindowMs: 1000 };

class Fixture {
  nowMs = 0;
  readonly image: { clientQuotas: readonly ClientQuota[] };
  readonly quotas: MutationQuotas;

  constructor(perSecond: number, entity: ClientQuota["entity"] = { user: null }) {
    this.image = { clientQuotas: [{ entity, values: { controller_mutation_rate: perSecond } }] };
    this.quotas = new MutationQuotas({ image: this.image, config, nowMs: () => this.nowMs });
  }

  /** Charges topics of these many partitions in one request. @returns which were refused, and the pause */
  request(counts: readonly number[], { isStrict = true, user = "u", clientId = "c" } = {}): [boolean[], number] {
    const quota = this.quotas.of({ principal: `User:${user}`, clientId, isStrict });
    const plans = counts.map((length, index) => ({ name: `t${index}`, plan: { replicas: { length } } }));
    const refused = quota.limit(plans).map((topic) => "errorCode" in topic);
    assert.deepEqual(quota.limit(plans).map((topic) => "errorCode" in topic), refused, "charged once");
    return [refused, quota.throttleTimeMs];
  }
}

Deno.test("MutationQuotas refuses a strict request while its client is in debt, and lets one topic make the debt", () => {
  const fixture = new Fixture(5);
  // Kafka's example (TokenBucket): a burst of 55 may be saved up.
  assert.deepEqual(fixture.request([54, 60, 1]), [[false, false, true], 59 / 5 * 1000]);
  assert.deepEqual(fixture.request([1]), [[true], 59 / 5 * 1000]);
  fixture.nowMs += 11_799;
  assert.deepEqual(fixture.request([1]), [[true], 1]);
  fixture.nowMs += 1;
  assert.deepEqual(fixture.request([1]), [[false], 0]);
});

Deno.test("MutationQuotas accepts all of an older request, whose client then pauses", () => {
  const fixture = new Fixture(5);
  assert.deepEqual(fixture.request([54], { isStrict: false }), [[false], 0]);
  assert.deepEqual(fixture.request([60, 1], { isStrict: false }), [[false, false], 60 / 5 * 1000]);
  fixture.nowMs += 12_000;
  assert.deepEqual(fixture.request([1], { isStrict: false }), [[false], 200]);
});

Deno.test("MutationQuotas gives each user its rate, follows changed quotas, and limits neither clients without quota nor the broker", () => {
  const fixture = new Fixture(1);
  assert.deepEqual(fixture.request([20, 1]), [[false, true], 9000]);
  assert.deepEqual(fixture.request([1], { clientId: "d" }), [[true], 9000]);
  assert.deepEqual(fixture.request([1], { user: "v" }), [[false], 0]);
  fixture.image.clientQuotas = [{ entity: { user: "u" }, values: { controller_mutation_rate: 9 } }];
  assert.deepEqual(fixture.request([1]), [[true], 1000]);
  assert.deepEqual(fixture.request([1e6, 1e6], { user: "v" }), [[false, false], 0]);
  assert.equal(fixture.quotas.of().refuse("t", 1e9), null);
  fixture.image.clientQuotas = [];
  assert.deepEqual(fixture.request([1e6, 1e6]), [[false, false], 0]);
});

Deno.test("MutationQuotas names Kafka's code, and remembers a limited number of clients", () => {
  const fixture = new Fixture(1, { user: null, "client-id": null });
  for (let index = 0; index <= REMEMBERED_MAX; index++) fixture.request([100], { clientId: `${index}` });
  assert.deepEqual(fixture.request([1], { clientId: "0" }), [[false], 0]);
  const quota = fixture.quotas.of({ principal: "User:u", clientId: "9", isStrict: true });
  assert.equal(quota.refuse("t", 1)?.errorCode, THROTTLING_QUOTA_EXCEEDED);
});

Deno.test("MutationQuotas remembers clients with long ids only as far as their names take little memory", () => {
  const fixture = new Fixture(1, { user: null, "client-id": null });
  const idOf = (index: number) => `${index}`.padStart(32_767, "x");
  const clients = Math.ceil(4 * 1024 * 1024 / 32_767);
  for (let index = 0; index < clients; index++) fixture.request([100], { clientId: idOf(index) });
  assert.deepEqual(fixture.request([1], { clientId: idOf(clients - 1) }), [[true], 89_000]);
  assert.deepEqual(fixture.request([1], { clientId: idOf(0) }), [[false], 0], "the first one was forgotten");
});

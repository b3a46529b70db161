import assert from "node:assert/strict";
import { errorName } from "../../../net/protocol/error_codes.ts";
import type { AlteredQuota } from "../../../net/protocol/messages/49_alter_client_quotas.ts";
import {
  ENTITY_NAME_CHARACTERS_MAX,
  planQuotas,
  QUOTA_CHARACTERS_MAX,
  QUOTA_ENTITIES_MAX,
  quotaSubjects,
} from "./quota_changes.ts";
import { type ClientQuota, isQuotaRow, quotaKey } from "./quota_rows.ts";
import { quotaEntry } from "./settings_testing.ts";

/** What alice has. */
const ALICE: ClientQuota = { entity: { user: "alice" }, values: { producer_byte_rate: 5, request_percentage: 2.5 } };

function plan(entries: readonly AlteredQuota[], rules: { count?: number; characters?: number } = {}) {
  const quotasOf = (entity: ClientQuota["entity"]) =>
    quotaKey(entity) === quotaKey(ALICE.entity) ? ALICE.values : undefined;
  return planQuotas(quotaSubjects(entries), { quotasOf, count: 1, characters: 0, ...rules });
}

function answer(...entries: readonly AlteredQuota[]): string {
  return plan(entries).map(({ errorCode, errorMessage, change }) => {
    const values = JSON.stringify(change?.quota.values ?? null);
    return `${errorName(errorCode)} ${errorMessage ?? values}`;
  }).join("; ");
}

const [U, RATE] = [{ user: "u" }, "producer_byte_rate"];
const FAR = "x".repeat(ENTITY_NAME_CHARACTERS_MAX + 1);

/** From a real Kafka 4.3.1, but those of NaN, infinity, host names and long names: tests/interop/admin has the recording. */
const CASES: readonly [what: string, entry: AlteredQuota, answer: string][] = [
  ["a rate", quotaEntry(U, { [RATE]: 1024 }), `NONE {"producer_byte_rate":1024}`],
  [
    "all quotas of a client id",
    quotaEntry({ "client-id": "c" }, {
      ...{ consumer_byte_rate: 2 ** 53, request_percentage: 0.5, controller_mutation_rate: 0.25 },
    }),
    `NONE {"consumer_byte_rate":9007199254740992,"request_percentage":0.5,"controller_mutation_rate":0.25}`,
  ],
  ["the largest rate", quotaEntry(U, { [RATE]: 2 ** 63 }), `NONE {"producer_byte_rate":9223372036854776000}`],
  [
    "more than that",
    quotaEntry(U, { [RATE]: 2 ** 64 }),
    `INVALID_REQUEST Proposed value for ${RATE} is too large for a LONG.`,
  ],
  ["zero", quotaEntry(U, { [RATE]: 0 }), `INVALID_REQUEST Quota ${RATE} must be greater than 0`],
  ["minus zero", quotaEntry(U, { [RATE]: -0 }), `INVALID_REQUEST Quota ${RATE} must be greater than 0`],
  ["less than zero", quotaEntry(U, { [RATE]: -1 }), `INVALID_REQUEST Quota ${RATE} must be greater than 0`],
  ["no number", quotaEntry(U, { [RATE]: NaN }), `INVALID_REQUEST Quota ${RATE} must be greater than 0`],
  [
    "infinity",
    quotaEntry(U, { request_percentage: Infinity }),
    "INVALID_REQUEST Proposed value for request_percentage is too large for a DOUBLE.",
  ],
  ["a fraction of a byte", quotaEntry(U, { [RATE]: 1.5 }), `INVALID_REQUEST ${RATE} cannot be a fractional value.`],
  ["nearly whole", quotaEntry(U, { [RATE]: 1.0000001 }), `NONE {"producer_byte_rate":1.0000001}`],
  ["an unknown quota", quotaEntry(U, { fetch: 1 }), "INVALID_REQUEST Invalid configuration key fetch"],
  ["an unknown quota to remove", quotaEntry(U, { fetch: null }), "NONE null"],
  [
    "a quota of addresses",
    quotaEntry(U, { connection_creation_rate: 1 }),
    "INVALID_REQUEST Invalid configuration key connection_creation_rate",
  ],
  ["nobody", quotaEntry({}, { [RATE]: 1 }), "INVALID_REQUEST Invalid empty client quota entity"],
  [
    "an unknown type",
    quotaEntry({ group: "g" }, { [RATE]: 1 }),
    "INVALID_REQUEST Unhandled client quota entity type: group",
  ],
  ["an empty user", quotaEntry({ user: "" }, { [RATE]: 1 }), "INVALID_REQUEST Empty user not supported"],
  [
    "a long user",
    quotaEntry({ user: FAR }, { [RATE]: 1 }),
    "INVALID_REQUEST A user with quotas has at most 1000 characters.",
  ],
  ["an address", quotaEntry({ ip: "::1" }, { connection_creation_rate: 3 }), `NONE {"connection_creation_rate":3}`],
  [
    "all addresses",
    quotaEntry({ ip: null }, { connection_creation_rate: 2 ** 31 }),
    "INVALID_REQUEST Proposed value for connection_creation_rate is too large for an INT.",
  ],
  [
    "a host",
    quotaEntry({ ip: "localhost" }, { connection_creation_rate: 3 }),
    "INVALID_REQUEST localhost is not a valid IP or resolvable host.",
  ],
  [
    "an address of a user",
    quotaEntry({ ip: "::1", user: "u" }, { connection_creation_rate: 3 }),
    "INVALID_REQUEST Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
  ],
  ["what there is", quotaEntry({ user: "alice" }, { [RATE]: 5 }), "NONE null"],
  ["nothing of what there is", quotaEntry({ user: "alice" }, {}), "NONE null"],
  ["one of two", quotaEntry({ user: "alice" }, { [RATE]: null }), `NONE {"request_percentage":2.5}`],
  ["the last ones", quotaEntry({ user: "alice" }, { [RATE]: null, request_percentage: null }), "NONE {}"],
];

for (const [what, entry, expected] of CASES) {
  Deno.test(`planQuotas(): ${what}`, () => {
    assert.equal(answer(entry), expected);
  });
}

Deno.test("planQuotas() refuses an entity that is named twice, and makes its first change, as Kafka does", () => {
  const [first, second] = [
    quotaEntry({ user: "u", "client-id": null }, { [RATE]: 1 }),
    quotaEntry({ "client-id": null, user: "u" }, { [RATE]: 2 }),
  ];
  const [planned, other] = plan([first, second]);
  assert.equal(other, undefined);
  assert.equal(planned?.errorMessage, "Ignoring duplicate entity ClientQuotaEntity(entries={client-id=null, user=u})");
  assert.deepEqual(planned?.change, { quota: { entity: { "client-id": null, user: "u" }, values: { [RATE]: 1 } } });
});

Deno.test("planQuotas() refuses a quota that an entry names twice, and changes nothing", () => {
  const { entity, ops: [op] } = quotaEntry(U, { [RATE]: 1 });
  const [planned] = plan([{ entity, ops: [op!, op!] }]);
  assert.equal(planned?.errorMessage, "Ignoring duplicate entity ClientQuotaEntity(entries={user=u})");
  assert.equal(planned?.change, null);
});

Deno.test("planQuotas() counts the entities, also those that the request adds", () => {
  const entries = ["alice", "bob", "carol"].map((user) => quotaEntry({ user }, { [RATE]: 1 }));
  const names = plan(entries, { count: QUOTA_ENTITIES_MAX - 1 }).map(({ errorCode }) => errorName(errorCode));
  assert.deepEqual(names, ["NONE", "NONE", "POLICY_VIOLATION"]);
  const long = plan(entries, { characters: QUOTA_CHARACTERS_MAX - 60 }).map(({ errorCode }) => errorName(errorCode));
  assert.deepEqual(long, ["NONE", "NONE", "POLICY_VIOLATION"]);
});

Deno.test("quotaKey() is one for an entity, whatever the order of its types, and tells a default from every name", () => {
  assert.equal(quotaKey({ user: "ü/%", "client-id": null }), quotaKey({ "client-id": null, user: "ü/%" }));
  assert.match(quotaKey({ user: "ü/%" }), /^quotas\/[\x20-\x7e]+$/);
  const entities = [{ user: null }, { user: "null" }, { "client-id": null }, { ip: null }, { user: '","client-id":"' }];
  assert.equal(new Set(entities.map(quotaKey)).size, entities.length);
});

Deno.test("isQuotaRow() refuses what is no row", () => {
  assert.ok(isQuotaRow(ALICE));
  const values = { [RATE]: 1 };
  const others = [null, 1, {}, { values }, { entity: {}, values }, { entity: { user: 1 }, values }, {
    ...{ entity: { group: "g" }, values },
  }];
  const numbers = [null, "1", 0, -1].map((value) => ({ entity: { user: "u" }, values: { [RATE]: value } }));
  for (const other of [...others, ...numbers]) assert.ok(!isQuotaRow(other), JSON.stringify(other));
});

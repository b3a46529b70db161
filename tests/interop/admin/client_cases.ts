/**
 * Requests of the admin APIs for client quotas and SCRAM credentials, as in cases.ts. The clients that send them have no quotas. Plain data
 * of a test.
 *
 * Not here: what this broker refuses and Kafka takes (NaN, infinity, names of hosts, its limits): quota_changes_test.ts, user_changes_test.ts.
 */
import type { AdminCase } from "./admin_case.ts";

type Names = Readonly<Record<string, string | null>>;
type Op = readonly [key: string, value: number | null];
type Entry = readonly [entity: Names | readonly (readonly [string, string | null])[], ...ops: Op[]];

function altered(what: string, entries: readonly Entry[], validateOnly = false, version = 1): AdminCase {
  const request = {
    entries: entries.map(([entity, ...ops]) => ({
      entity: (Array.isArray(entity) ? entity : Object.entries(entity)).map(([entityType, entityName]) => {
        return { entityType, entityName };
      }),
      ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
    })),
    validateOnly,
  };
  return { name: `AlterClientQuotas: ${what}`, api: [49, version], request };
}

type Component = readonly [entityType: string, matchType: number, match?: string];

function described(what: string, components: readonly Component[], strict = false, version = 1): AdminCase {
  const named = components.map(([entityType, matchType, match = null]) => ({ entityType, matchType, match }));
  return { name: `DescribeClientQuotas: ${what}`, api: [48, version], request: { components: named, strict } };
}

function users(what: string, names: readonly string[] | null): AdminCase {
  const request = { users: names?.map((name) => ({ name })) ?? null };
  return { name: `DescribeUserScramCredentials: ${what}`, api: [50, 0], request };
}

type Credential = readonly [name: string, mechanism: number, iterations?: number];

function credentials(what: string, deletions: readonly Credential[], upsertions: readonly Credential[]): AdminCase {
  const request = {
    deletions: deletions.map(([name, mechanism]) => ({ name, mechanism })),
    upsertions: upsertions.map(([name, mechanism, iterations = 4096]) => ({
      ...{ name, mechanism, iterations },
      salt: new Uint8Array([1, 2, 3]),
      saltedPassword: new Uint8Array(32).fill(9),
    })),
  };
  return { name: `AlterUserScramCredentials: ${what}`, api: [51, 0], request };
}

const [EXACT, DEFAULT, ANY] = [0, 1, 2];
const [PRODUCE, FETCH, REQUEST, MUTATION] = [
  "producer_byte_rate",
  "consumer_byte_rate",
  "request_percentage",
  "controller_mutation_rate",
];
const CONNECT = "connection_creation_rate";
const [U, C, BOTH] = [{ user: "u" }, { "client-id": "c" }, { user: "u", "client-id": "c" }];
const FAR = { user: "nobody" };

/** The cases, in their order. */
export const clientCases: readonly AdminCase[] = [
  altered("nothing", []),
  altered("nobody", [[{}, [PRODUCE, 1]]]),
  altered("no user", [[{ user: "" }, [PRODUCE, 1]]]),
  altered("no client id, and a user", [[{ user: "u", "client-id": "" }, [PRODUCE, 1]]]),
  altered("an unknown type", [[{ group: "g" }, [PRODUCE, 1]]]),
  altered("a type twice", [[[["user", "v"], ["user", "u"]], [PRODUCE, 1 << 30]]]),
  altered("an unknown quota", [[U, ["no.such", 1]]]),
  altered("an unknown quota to remove", [[U, ["no.such", null]]]),
  altered("a quota of addresses", [[U, [CONNECT, 1]]]),
  altered("a quota of users", [[{ ip: "10.0.0.1" }, [PRODUCE, 1]]]),
  altered("an address of a user", [[{ ip: "10.0.0.1", user: "u" }, [CONNECT, 1]]]),
  altered("no address", [[{ ip: "not an address" }, [CONNECT, 1]], [{ ip: "300.1.1.1" }, [CONNECT, 1]]]),
  altered("an empty address", [[{ ip: "" }, [CONNECT, 1]]]),
  altered("zero", [[U, [PRODUCE, 0]], [C, [FETCH, -0]], [FAR, [REQUEST, 0]], [BOTH, [MUTATION, -1]]]),
  altered("zero of addresses", [[{ ip: "10.0.0.1" }, [CONNECT, 0]]]),
  altered("fractions of whole quotas", [[U, [PRODUCE, 1.5]], [C, [FETCH, 0.5]], [{ ip: "10.0.0.1" }, [CONNECT, 2.5]]]),
  altered("too large", [[U, [PRODUCE, 2 ** 64]], [{ ip: "10.0.0.1" }, [CONNECT, 2 ** 31]]]),
  altered("an entity twice", [[U, [FETCH, 1 << 30]], [U, [PRODUCE, 1]]]),
  altered("an entity twice, in another order", [
    [[["user", "w"], ["client-id", "c"]], [FETCH, 1 << 30]],
    [[["client-id", "c"], ["user", "w"]], [FETCH, 1]],
  ]),
  altered("a quota twice", [[C, [FETCH, 1 << 30], [FETCH, 1]]]),
  altered("a quota twice, of a default", [[{ user: null, "client-id": null }, [FETCH, 1 << 30], [FETCH, null]]]),
  altered("one of three is wrong", [[U, [PRODUCE, 1 << 30]], [FAR, [PRODUCE, 0]], [C, [REQUEST, 200.5]]]),
  altered("one quota of an entity is wrong", [[FAR, [PRODUCE, 1], [FETCH, 0]]]),
  altered("dry run", [[FAR, [PRODUCE, 1]], [{ user: "" }, [PRODUCE, 1]]], true),
  altered("no quotas", [[FAR]]),
  altered("removes what is not there", [[FAR, [PRODUCE, null], [FETCH, null]]]),
  altered("all kinds", [
    [BOTH, [PRODUCE, 2 ** 53], [FETCH, 2 ** 63], [REQUEST, 0.001], [MUTATION, 0.5]],
    [{ user: "u", "client-id": null }, [FETCH, 2 ** 40]],
    [{ user: null, "client-id": "c" }, [FETCH, 2 ** 41]],
    [{ user: "user with spaces/ü%" }, [FETCH, 1.0000001]],
    [{ ip: "10.0.0.1" }, [CONNECT, 2 ** 31 - 1]],
    [{ ip: "::1" }, [CONNECT, 2 ** 30]],
    [{ ip: null }, [CONNECT, 2 ** 31 - 2]],
  ]),
  altered("all kinds again, in version 0", [[BOTH, [PRODUCE, 2 ** 53]], [{ ip: null }, [CONNECT, 1 << 29]]], false, 0),
  described("all", []),
  described("all, in version 0", [], false, 0),
  described("strictly nothing", [], true),
  described("a user", [["user", EXACT, "u"]]),
  described("strictly a user", [["user", EXACT, "u"]], true),
  described("any user", [["user", ANY]]),
  described("strictly any user", [["user", ANY]], true),
  described("the default user", [["user", DEFAULT]]),
  described("strictly a user with any client id", [["user", EXACT, "u"], ["client-id", ANY]], true),
  described("any client id", [["client-id", ANY]]),
  described("any address", [["ip", ANY]]),
  described("an address", [["ip", EXACT, "10.0.0.1"]]),
  described("an unknown user", [["user", EXACT, "nobody"]]),
  described("no name", [["user", EXACT]]),
  described("an empty name", [["user", EXACT, ""]]),
  described("the default with a name", [["user", DEFAULT, "u"]]),
  described("any with a name", [["user", ANY, "u"]]),
  described("an unknown kind of match", [["user", 3]]),
  described("an unknown type", [["group", ANY]]),
  described("no type", [["", ANY]]),
  described("a type twice", [["user", ANY], ["user", DEFAULT]]),
  described("an unknown type twice", [["group", ANY], ["group", ANY]]),
  described("an address and a user", [["ip", ANY], ["user", ANY]]),
  altered("removes some", [[BOTH, [PRODUCE, null], [FETCH, null]], [U, [PRODUCE, null], [FETCH, null]]]),
  described("what is left", []),
  users("all of none", null),
  users("nobody", ["nobody", ""]),
  credentials("nothing", [], []),
  credentials("no name", [["", 1]], []),
  credentials("unknown mechanisms", [["a", 0], ["b", 3]], [["c", -1], ["d", 9]]),
  credentials("too few and too many iterations", [], [["a", 1, 4095], ["b", 1, 16_385], ["c", 2, -1]]),
  credentials("deletes what is not there", [["a", 1]], []),
  credentials("some", [], [["a", 1, 8192], ["b", 2, 16_384], ["ü /%", 1]]),
  credentials("the other mechanism", [], [["a", 2]]),
  credentials("a user twice", [["a", 1]], [["a", 1], ["c", 1], ["c", 2]]),
  credentials("a user three times", [["b", 2], ["b", 2], ["b", 2]], []),
  credentials("wrong, then right", [["c", 1]], [["c", 1]]),
  credentials("one of two is wrong", [["b", 1]], [["a", 1, 5000]]),
  users("all", null),
  users("all, by an empty list", []),
  users("some", ["a", "c", "ü /%"]),
  users("a user twice", ["a", "b", "a", "nobody", "nobody"]),
  credentials("deletes", [["a", 1], ["b", 2]], []),
  users("all that are left", null),
];

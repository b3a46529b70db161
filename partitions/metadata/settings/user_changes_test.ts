import assert from "node:assert/strict";
import { errorName } from "../../../net/protocol/error_codes.ts";
import { scramCredential } from "../../../net/protocol/scram/scram.ts";
import { sha256 } from "../../authentication/scram_sha256.ts";
import { userAlterations } from "./scram_keys.ts";
import { upsertion } from "./settings_testing.ts";
import { planUsers, SALT_BYTES_MAX, SCRAM_USERS_MAX, USER_NAME_CHARACTERS_MAX, userSubjects } from "./user_changes.ts";
import type { ScramUser } from "./user_rows.ts";

const ALICE: ScramUser = { name: "alice", iterations: { "SCRAM-SHA-256": 4096 } };

async function plan(
  deletions: readonly [name: string, mechanism: number][],
  upsertions: readonly ReturnType<typeof upsertion>[],
  users: ReadonlyMap<string, ScramUser> = new Map([["alice", ALICE]]),
) {
  const named = deletions.map(([name, mechanism]) => ({ name, mechanism }));
  const subjects = userSubjects(await userAlterations({ deletions: named, upsertions: [...upsertions] }));
  const planned = planUsers(subjects, users);
  return planned.map(({ errorCode, errorMessage, change }, index) =>
    `${subjects[index]?.name}: ${errorName(errorCode)}${errorMessage === null ? "" : ` ${errorMessage}`}` +
    (change === null ? "" : ` ${change.mechanism} ${change.credential?.iterations ?? "deleted"}`)
  );
}

const TWICE = "DUPLICATE_RESOURCE A user credential cannot be altered twice in the same request";

// From a real Kafka 4.3.1, but those of our limits and of an empty password: tests/interop/admin has the recording.
for (
  const [what, deletions, upsertions, ...expected] of [
    ["a new user", [], [upsertion("bob")], "bob: NONE SCRAM-SHA-256 4096"],
    [
      "the other mechanism",
      [],
      [upsertion("alice", { mechanism: 2, iterations: 16_384 })],
      "alice: NONE SCRAM-SHA-512 16384",
    ],
    ["a deletion", [["alice", 1]], [], "alice: NONE SCRAM-SHA-256 deleted"],
    [
      "a deletion of nothing",
      [["alice", 2], ["bob", 1]],
      [],
      ...["alice", "bob"].map((name) =>
        `${name}: RESOURCE_NOT_FOUND Attempt to delete a user credential that does not exist`
      ),
    ],
    [
      "a user twice",
      [["alice", 1]],
      [upsertion("alice"), upsertion("bob"), upsertion("bob", { mechanism: 2 })],
      ...["alice", "bob"].map((name) => `${name}: ${TWICE}`),
    ],
    [
      "three times, wrong the first time",
      [["bob", 1], ["bob", 1]],
      [upsertion("bob")],
      "bob: RESOURCE_NOT_FOUND Attempt to delete a user credential that does not exist",
    ],
    ["no name", [["", 9]], [], ": UNACCEPTABLE_CREDENTIAL Username must not be empty"],
    [
      "unknown mechanisms",
      [["a", 0], ["b", 3]],
      [upsertion("c", { mechanism: -1 })],
      ...["a", "b", "c"].map((name) => `${name}: UNSUPPORTED_SASL_MECHANISM Unknown SCRAM mechanism`),
    ],
    ["too few iterations", [], [upsertion("b", { iterations: 4095 })], "b: UNACCEPTABLE_CREDENTIAL Too few iterations"],
    [
      "too many iterations",
      [],
      [upsertion("b", { iterations: 16_385 })],
      "b: UNACCEPTABLE_CREDENTIAL Too many iterations",
    ],
    [
      "an empty password",
      [],
      [{ ...upsertion("b"), saltedPassword: new Uint8Array() }],
      "b: UNACCEPTABLE_CREDENTIAL The salted password must not be empty.",
    ],
    ["an empty salt", [], [{ ...upsertion("b"), salt: new Uint8Array() }], "b: NONE SCRAM-SHA-256 4096"],
    [
      "a long salt",
      [],
      [{ ...upsertion("b"), salt: new Uint8Array(SALT_BYTES_MAX + 1) }],
      "b: UNACCEPTABLE_CREDENTIAL Salt and salted password have at most 1024 bytes each.",
    ],
    [
      "a long name",
      [],
      [upsertion("n".repeat(USER_NAME_CHARACTERS_MAX + 1))],
      `${
        "n".repeat(USER_NAME_CHARACTERS_MAX + 1)
      }: UNACCEPTABLE_CREDENTIAL The name of a user with credentials has at most 255 characters.`,
    ],
  ] as [string, [string, number][], ReturnType<typeof upsertion>[], ...string[]][]
) {
  Deno.test(`planUsers(): ${what}`, async () => assert.deepEqual(await plan(deletions, upsertions), expected));
}

Deno.test("planUsers() counts the users, also those that the request adds", async () => {
  const users = new Map(Array.from({ length: SCRAM_USERS_MAX - 1 }, (_, index) => [`u${index}`, ALICE] as const));
  const answers = await plan([], [upsertion("u0"), upsertion("a"), upsertion("b")], users);
  assert.deepEqual(answers.map((text) => text.split(" ")[1]), ["NONE", "NONE", "POLICY_VIOLATION"]);
});

Deno.test("userAlterations() makes of a salted password what the broker's own SCRAM makes of it, and keeps nothing else", async () => {
  const wanted = upsertion("bob", { iterations: 5000, seed: 3 });
  const [alteration] = await userAlterations({ deletions: [], upsertions: [wanted] });
  const { salt, iterations, storedKey, serverKey } = scramCredential(sha256, wanted.saltedPassword, wanted);
  const credential = {
    salt: salt.toBase64(),
    storedKey: storedKey.toBase64(),
    serverKey: serverKey.toBase64(),
    iterations,
  };
  assert.deepEqual(alteration?.upsertion?.credential, credential);
  assert.ok(!JSON.stringify(alteration).includes(wanted.saltedPassword.toBase64()));
});

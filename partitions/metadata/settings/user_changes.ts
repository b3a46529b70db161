/**
 * Plans AlterUserScramCredentials: checks a request and gives, for each user, the credential that changes or why none does. Pure; the main
 * isolate runs it. Credentials were made of the salted passwords before (scram_keys.ts).
 *
 * A request changes one credential of a user: a user who is named twice keeps what he has, whatever the mechanisms. Unlike Kafka, this broker
 * has limits for names, salts and salted passwords, and for the number of users.
 * Source: Kafka's ScramControlManager, with its sentences and in its order of checks.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN } from "../../../net/protocol/scram/scram.ts";
import { assert } from "../../../storage/base/assert.ts";
import { type Refusal, refuse } from "../configs/config_operations.ts";
import type { UserChange } from "./setting_changes.ts";
import { type ScramMechanism, scramMechanisms, type ScramUser, type StoredCredential } from "./user_rows.ts";

/** What a request wants of a user's credential. */
export interface UserAlteration {
  readonly name: string;
  /** Number of the mechanism. */
  readonly mechanism: number;
  /** What is set; null: the credential is deleted. */
  readonly upsertion: Upsertion | null;
}

/** What a request says of a credential, without its secret. */
export interface UpsertionForm {
  readonly iterations: number;
  readonly saltBytes: number;
  readonly saltedPasswordBytes: number;
}

/** A credential to be set. */
export interface Upsertion extends UpsertionForm {
  /** Made of the salted password; null for one that is refused. */
  readonly credential: StoredCredential | null;
}

/** What a request says of one user: deletions first. */
export interface UserSubject {
  readonly name: string;
  readonly alterations: readonly UserAlteration[];
}

/** The plan for one user. */
export interface PlannedUser {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  /** null when nothing changes. */
  readonly change: UserChange | null;
}

/** Most users with credentials: every shard holds their names in memory. */
export const SCRAM_USERS_MAX = 10_000;
/** Longest name of a user, in UTF-16 units. Kafka has no limit. */
export const USER_NAME_CHARACTERS_MAX = 255;
/** Longest salt, and longest salted password: clients make 16 to 20 bytes, and as many as a hash has. */
export const SALT_BYTES_MAX = 1024;

/** Puts together what a request says of each user, in the order in which it names them. @param alterations deletions first */
export function userSubjects(alterations: readonly UserAlteration[]): UserSubject[] {
  const subjects = Map.groupBy(alterations, ({ name }) => name);
  return [...subjects].map(([name, ofUser]) => ({ name, alterations: ofUser }));
}

/** Checks a request. @returns the plan for each user, in their order */
export function planUsers(subjects: readonly UserSubject[], users: ReadonlyMap<string, ScramUser>): PlannedUser[] {
  let count = users.size;
  return subjects.map((subject): PlannedUser => {
    const refusal = refuseUser(subject, { users, count });
    if (refusal !== null) return { ...refusal, change: null };
    const { name, mechanism, upsertion } = subject.alterations[0] as UserAlteration;
    assert(upsertion?.credential !== null, "a credential that is not refused was made");
    if (upsertion !== null && !users.has(name)) count++;
    const change = { user: name, mechanism: (mechanismOf(mechanism) as ScramMechanism).name };
    return {
      errorCode: errorCode.NONE,
      errorMessage: null,
      change: { ...change, credential: upsertion?.credential ?? null },
    };
  });
}

/** The mechanism of a number; undefined for an unknown one. */
export function mechanismOf(type: number): ScramMechanism | undefined {
  return scramMechanisms.find((mechanism) => mechanism.type === type);
}

function refuseUser(
  { name, alterations }: UserSubject,
  { users, count }: { users: ReadonlyMap<string, ScramUser>; count: number },
): Refusal | null {
  // The first refusal of a user stands; without one, a second alteration is refused.
  for (const [index, alteration] of alterations.entries()) {
    if (index > 0) return refuse("DUPLICATE_RESOURCE", "A user credential cannot be altered twice in the same request");
    const refusal = refuseAlteration(alteration, users.get(name));
    if (refusal !== null) return refusal;
  }
  const isNew = alterations[0]?.upsertion !== null && !users.has(name);
  if (!isNew || count < SCRAM_USERS_MAX) return null;
  return refuse("POLICY_VIOLATION", `No more than ${SCRAM_USERS_MAX} users can have credentials.`);
}

function refuseAlteration({ name, mechanism, upsertion }: UserAlteration, user: ScramUser | undefined): Refusal | null {
  const known = mechanismOf(mechanism);
  if (name === "") return refuse("UNACCEPTABLE_CREDENTIAL", "Username must not be empty");
  if (known === undefined) return refuse("UNSUPPORTED_SASL_MECHANISM", "Unknown SCRAM mechanism");
  if (upsertion !== null) return refuseUpsertion(name, upsertion);
  if (user !== undefined && Object.hasOwn(user.iterations, known.name)) return null;
  return refuse("RESOURCE_NOT_FOUND", "Attempt to delete a user credential that does not exist");
}

/** Checks the form of a credential to be set. @returns why it is refused, null when it is not */
export function refuseUpsertion(name: string, form: UpsertionForm): Refusal | null {
  const { iterations, saltBytes, saltedPasswordBytes } = form;
  if (iterations < SCRAM_ITERATIONS_MIN) return refuse("UNACCEPTABLE_CREDENTIAL", "Too few iterations");
  if (iterations > SCRAM_ITERATIONS_MAX) return refuse("UNACCEPTABLE_CREDENTIAL", "Too many iterations");
  if (name.length > USER_NAME_CHARACTERS_MAX) {
    const most = `at most ${USER_NAME_CHARACTERS_MAX} characters.`;
    return refuse("UNACCEPTABLE_CREDENTIAL", `The name of a user with credentials has ${most}`);
  }
  if (saltBytes > SALT_BYTES_MAX || saltedPasswordBytes > SALT_BYTES_MAX) {
    const most = `at most ${SALT_BYTES_MAX} bytes each.`;
    return refuse("UNACCEPTABLE_CREDENTIAL", `Salt and salted password have ${most}`);
  }
  if (saltedPasswordBytes > 0) return null;
  return refuse("UNACCEPTABLE_CREDENTIAL", "The salted password must not be empty.");
}

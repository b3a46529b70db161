/**
 * Users with SCRAM credentials and their rows in the metadata store. Pure; the main isolate uses it.
 *
 * ```
 *   users/<encoded name>   {scram: {<mechanism>: {salt, storedKey, serverKey, iterations}}}   absent = no such user; bytes as base64
 * ```
 *
 * Nobody can log in by what a row has, but passwords can be guessed from it: rows are neither logged nor sent to shards, which get the
 * numbers of iterations alone. Source: KIP-554; Kafka's ScramMechanism, UserScramCredentialRecord.
 */
import { isObject } from "../store/stored_row.ts";

/** Prefix of all users. */
export const USERS = "users/";

/** The mechanisms, with their numbers in requests. */
export const scramMechanisms = [
  { name: "SCRAM-SHA-256", type: 1 },
  { name: "SCRAM-SHA-512", type: 2 },
] as const;

/** A mechanism. */
export type ScramMechanism = (typeof scramMechanisms)[number];

/** A credential, as it is stored. The texts are base64. */
export interface StoredCredential {
  readonly salt: string;
  readonly storedKey: string;
  readonly serverKey: string;
  readonly iterations: number;
}

/** A user's row. */
export interface UserRow {
  /** By the name of the mechanism. */
  readonly scram: Readonly<Record<string, StoredCredential>>;
}

/** A user, as the image shows it. */
export interface ScramUser {
  readonly name: string;
  /** Number of iterations, by the name of the mechanism; none when the user has no credentials any more. */
  readonly iterations: Readonly<Record<string, number>>;
}

/** Key of a user. Names are any text. */
export function userKey(name: string): string {
  return USERS + encodeURIComponent(name.toWellFormed());
}

/** The user that a key names; null for a damaged key. */
export function userOfKey(key: string): string | null {
  try {
    return decodeURIComponent(key.slice(USERS.length));
  } catch {
    return null; // A "%" is not followed by two digits, or the bytes are not UTF-8.
  }
}

/** What the image shows of a user. */
export function shownUser(name: string, { scram }: UserRow): ScramUser {
  const iterations = Object.entries(scram).map(([mechanism, credential]) => [mechanism, credential.iterations]);
  return { name, iterations: Object.fromEntries(iterations) };
}

/** Whether a value is a user's row. */
export function isUserRow(value: unknown): value is UserRow {
  return isObject(value) && isObject(value.scram) && Object.values(value.scram).every(isCredential);
}

function isCredential(value: unknown): value is StoredCredential {
  return isObject(value) && typeof value.salt === "string" && typeof value.storedKey === "string" &&
    typeof value.serverKey === "string" && Number.isSafeInteger(value.iterations);
}

/**
 * Makes what is stored of salted passwords, by WebCrypto: it hashes on other threads, and the main isolate goes on meanwhile.
 * Source: RFC 5802; Kafka's ScramFormatter. net/protocol/scram/scram.ts has the drawing.
 */
import type {
  AlterUserScramCredentialsRequest,
  ScramUpsertion,
} from "../../../net/protocol/messages/51_alter_user_scram_credentials.ts";
import { CLIENT_KEY, SERVER_KEY } from "../../../net/protocol/scram/scram.ts";
import { mechanismOf, refuseUpsertion, type UserAlteration } from "./user_changes.ts";
import type { ScramMechanism, StoredCredential } from "./user_rows.ts";

/** Salted passwords that are hashed at a time. */
const HASHED_AT_ONCE = 16;

/**
 * What a request wants of users' credentials, deletions first. From here on nothing has a salted password. What is refused for its form
 * alone is not hashed.
 */
export async function userAlterations(request: AlterUserScramCredentialsRequest): Promise<UserAlteration[]> {
  const { deletions, upsertions } = request;
  const alterations = deletions.map(({ name, mechanism }): UserAlteration => ({ name, mechanism, upsertion: null }));
  const [seen, repeated] = [new Set<string>(), new Set<string>()];
  for (const { name } of [...deletions, ...upsertions]) (seen.has(name) ? repeated : seen).add(name);
  for (let start = 0; start < upsertions.length; start += HASHED_AT_ONCE) {
    const some = upsertions.slice(start, start + HASHED_AT_ONCE);
    const made = await Promise.all(some.map((upsertion) => alterationOf(upsertion, repeated.has(upsertion.name))));
    for (const alteration of made) alterations.push(alteration);
  }
  return alterations;
}

async function alterationOf(upsertion: ScramUpsertion, isRepeated: boolean): Promise<UserAlteration> {
  const { name, mechanism: type, iterations, salt, saltedPassword } = upsertion;
  const form = { iterations, saltBytes: salt.length, saltedPasswordBytes: saltedPassword.length };
  const mechanism = mechanismOf(type);
  const isRefused = mechanism === undefined || isRepeated || refuseUpsertion(name, form) !== null;
  const credential = isRefused ? null : await storedCredential(mechanism, saltedPassword, upsertion);
  return { name, mechanism: type, upsertion: { ...form, credential } };
}

/** Makes what is stored. @param saltedPassword not empty */
async function storedCredential(
  { name }: ScramMechanism,
  saltedPassword: Uint8Array,
  { salt, iterations }: { readonly salt: Uint8Array; readonly iterations: number },
): Promise<StoredCredential> {
  const hash = name.slice("SCRAM-".length);
  const key = await crypto.subtle.importKey("raw", saltedPassword.slice(), { name: "HMAC", hash }, false, ["sign"]);
  const [clientKey, serverKey] = await Promise.all([
    crypto.subtle.sign("HMAC", key, CLIENT_KEY),
    crypto.subtle.sign("HMAC", key, SERVER_KEY),
  ]);
  const storedKey = await crypto.subtle.digest(hash, clientKey);
  return { salt: salt.toBase64(), storedKey: text(storedKey), serverKey: text(serverKey), iterations };
}

function text(bytes: ArrayBuffer): string {
  return new Uint8Array(bytes).toBase64();
}

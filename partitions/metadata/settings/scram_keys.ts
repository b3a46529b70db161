/**
 * Makes what is stored of salted passwords, by WebCrypto: it hashes on other threads, and the main isolate goes on meanwhile.
 * Source: RFC 5802; Kafka's ScramFormatter. net/protocol/scram/scram.ts has the drawing.
 */
import type {
  AlterUserScramCredentialsRequest,
  ScramUpsertion,
} from "../../../net/protocol/messages/51_alter_user_scram_credentials.ts";
import { isHashable, mechanismOf, type UserAlteration } from "./user_changes.ts";
import type { ScramMechanism, StoredCredential } from "./user_rows.ts";

const utf8 = new TextEncoder();
const CLIENT_KEY = utf8.encode("Client Key");
const SERVER_KEY = utf8.encode("Server Key");

/** Salted passwords that are hashed at a time. */
const HASHED_AT_ONCE = 64;

/** What a request wants of users' credentials, deletions first. From here on nothing has a salted password. */
export async function userAlterations(request: AlterUserScramCredentialsRequest): Promise<UserAlteration[]> {
  const { deletions, upsertions } = request;
  const alterations = deletions.map(({ name, mechanism }): UserAlteration => ({ name, mechanism, upsertion: null }));
  for (let start = 0; start < upsertions.length; start += HASHED_AT_ONCE) {
    const some = await Promise.all(upsertions.slice(start, start + HASHED_AT_ONCE).map(alterationOf));
    for (const alteration of some) alterations.push(alteration);
  }
  return alterations;
}

async function alterationOf(upsertion: ScramUpsertion): Promise<UserAlteration> {
  const { name, mechanism: type, iterations, salt, saltedPassword } = upsertion;
  const lengths = { saltBytes: salt.length, saltedPasswordBytes: saltedPassword.length };
  const mechanism = mechanismOf(type);
  const credential = mechanism === undefined || !isHashable({ mechanism: type, ...lengths })
    ? null
    : await storedCredential(mechanism, saltedPassword, upsertion);
  return { name, mechanism: type, upsertion: { iterations, ...lengths, credential } };
}

/** Makes what is stored. @param saltedPassword not empty */
export async function storedCredential(
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

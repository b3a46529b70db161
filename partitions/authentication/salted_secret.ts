/**
 * The secret that the brokers of a cluster share, salted for SCRAM-SHA-256. Salting takes 4096 rounds, a millisecond or more on a thread of
 * the runtime, so it is done once for each salt: at the start for the broker's own, whose result the shards get, and once for each
 * process that it connects to. The secret is in no message and in no sentence.
 */
import { SCRAM_ITERATIONS_MIN, type ScramCredential, scramCredential } from "../../net/protocol/scram/scram.ts";
import { sha256 } from "./scram_sha256.ts";

const SALT_BYTES = 16;

/** Salts whose results are kept: more than a cluster has brokers, and a hostile one cannot fill the memory. */
const SALTINGS_KEPT_MAX = 256;

/** How a password is salted. */
export type Salting = Pick<ScramCredential, "salt" | "iterations">;

/** Makes the credential by which this broker's shards recognise the brokers of the cluster. */
export async function brokerCredential(secret: string): Promise<ScramCredential> {
  const salting = { salt: crypto.getRandomValues(new Uint8Array(SALT_BYTES)), iterations: SCRAM_ITERATIONS_MIN };
  return scramCredential(sha256, await saltSecret(secret, salting), salting);
}

/** Salts the secret. @returns the salted password: 32 bytes */
export async function saltSecret(secret: string, { salt, iterations }: Salting): Promise<Uint8Array> {
  // Kafka takes the UTF-8 of a password as it is, without SASLprep.
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt: Uint8Array.from(salt), iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 8 * sha256.bytes));
}

/** The secret, salted once for each salt. */
export class SaltedSecret {
  readonly #secret: string;
  readonly #known = new Map<string, Promise<Uint8Array>>();

  constructor(secret: string) {
    this.#secret = secret;
  }

  /** The salted password: 32 bytes. */
  salted(salting: Salting): Promise<Uint8Array> {
    const key = `${salting.iterations} ${salting.salt.toBase64()}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size >= SALTINGS_KEPT_MAX) this.#known.delete(oldest);
    const salted = saltSecret(this.#secret, salting);
    this.#known.set(key, salted);
    return salted;
  }
}

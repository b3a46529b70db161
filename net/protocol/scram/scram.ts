/**
 * SCRAM: client and server prove to each other that they know a password, which is never sent, and the server stores only what cannot be
 * used to log in. Pure: hash functions and nonces are passed in. Any isolate.
 *
 *   salted password = PBKDF2(password, salt, iterations)       costly on purpose; computed by whoever knows the password
 *   client key      = HMAC(salted password, "Client Key")      stored key = H(client key)
 *   server key      = HMAC(salted password, "Server Key")
 *   text            = client first bare , server first , client final without proof
 *   proof           = client key XOR HMAC(stored key, text)    the server computes the client key from it, and compares its hash
 *   signature       = HMAC(server key, text)                   proves that the server has the credential
 *
 * Each side takes part in one exchange: a failure ends it, and nothing of it can be used again. Without TLS, somebody who can change what is on
 * the way may still take over the connection afterwards, and a weak password can be guessed from an exchange that was recorded.
 * Source: RFC 5802; Kafka's ScramSaslServer, ScramSaslClient, ScramFormatter.
 */
import {
  clientFinal,
  clientFinalWithoutProof,
  type ClientFirst,
  clientFirst,
  parseClientFinal,
  parseClientFirst,
  parseServerFinal,
  parseServerFirst,
  serverFinal,
  type ServerFirst,
  serverFirst,
} from "./scram_messages.ts";

/** Fewest iterations that either side accepts (RFC 7677; ScramMechanism.minIterations). */
export const SCRAM_ITERATIONS_MIN = 4096;
/**
 * Most iterations that a client carries out, as a server could make it compute for ever, and that a credential may have
 * (ScramMechanism.maxIterations).
 */
export const SCRAM_ITERATIONS_MAX = 16_384;

/** The hash functions of a mechanism. */
export interface ScramHash {
  /** Length of a hash, in bytes. */
  readonly bytes: number;
  hash(data: Uint8Array): Uint8Array;
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Compares hashes in a time that does not tell where they differ. Both have the length of a hash. */
  equals(a: Uint8Array, b: Uint8Array): boolean;
}

/** What a server stores of a user. */
export interface ScramCredential {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

const utf8 = new TextEncoder();
/** What the salted password authenticates to become the client key. */
export const CLIENT_KEY = utf8.encode("Client Key");
/** Likewise, the server key. */
export const SERVER_KEY = utf8.encode("Server Key");

/** Makes the credential of a user. @param saltedPassword computed with this salt and number of iterations */
export function scramCredential(
  hash: ScramHash,
  saltedPassword: Uint8Array,
  { salt, iterations }: Pick<ScramCredential, "salt" | "iterations">,
): ScramCredential {
  const storedKey = hash.hash(hash.hmac(saltedPassword, CLIENT_KEY));
  return { salt, iterations, storedKey, serverKey: hash.hmac(saltedPassword, SERVER_KEY) };
}

/** What a server needs for one exchange. */
export interface ScramServerParts {
  readonly hash: ScramHash;
  /** Random, printable, without a comma. */
  readonly nonce: string;
  /**
   * The credential of a user. For a name that does not exist it returns one that no password fits, so that neither the answers nor their time
   * tell which names exist.
   */
  readonly credentialOf: (userName: string) => ScramCredential;
}

/** The server's side of one exchange. */
export class ScramServer {
  readonly #parts: ScramServerParts;
  #first:
    | { readonly client: ClientFirst; readonly challenge: ServerFirst; readonly credential: ScramCredential }
    | null = null;
  #userName: string | null = null;

  constructor(parts: ScramServerParts) {
    this.#parts = parts;
  }

  /** The user, once the client has proved to be that user; null before. */
  get userName(): string | null {
    return this.#userName;
  }

  /** Answers the client's first message. @returns the challenge; null when the message is refused */
  challenge(message: Uint8Array): Uint8Array | null {
    const client = parseClientFirst(message);
    if (client === null) return null;
    const { userName, authorizationId } = client;
    if (authorizationId !== null && authorizationId !== userName) return null;
    const credential = this.#parts.credentialOf(userName);
    const challenge = serverFirst({ ...credential, nonce: client.nonce + this.#parts.nonce });
    this.#first = { client, challenge, credential };
    return utf8.encode(challenge.text);
  }

  /** Checks the client's proof. @returns the signature; null when the proof is wrong */
  finish(message: Uint8Array): Uint8Array | null {
    const first = this.#first;
    this.#first = null;
    const final = parseClientFinal(message);
    if (first === null || final === null) return null;
    const { client, challenge, credential } = first;
    const { hash, nonce } = this.#parts;
    // librdkafka before 2.6.1 repeats its own nonce, so Kafka looks at the end alone (librdkafka#4895). The proof covers all of it.
    const isOwn = final.nonce.endsWith(nonce) && final.header === client.header;
    if (!isOwn || final.proof.length !== hash.bytes) return null;
    const text = utf8.encode(`${client.bare},${challenge.text},${final.withoutProof}`);
    const clientKey = xor(final.proof, hash.hmac(credential.storedKey, text));
    if (!hash.equals(hash.hash(clientKey), credential.storedKey)) return null;
    this.#userName = client.userName;
    return utf8.encode(serverFinal(hash.hmac(credential.serverKey, text)));
  }
}

/** The client's side of one exchange. */
export class ScramClient {
  readonly #hash: ScramHash;
  readonly #first: ClientFirst;
  #challenge: ServerFirst | null = null;
  #signature: Uint8Array | null = null;

  /** @param hash of the mechanism @param user its name, and a random nonce: printable, without a comma */
  constructor(hash: ScramHash, { userName, nonce }: { userName: string; nonce: string }) {
    this.#hash = hash;
    this.#first = clientFirst(userName, nonce);
  }

  /** The first message. */
  get first(): Uint8Array<ArrayBuffer> {
    return utf8.encode(this.#first.header + this.#first.bare);
  }

  /** Reads the challenge. @returns how to salt the password; null when the challenge is refused */
  read(message: Uint8Array): Pick<ScramCredential, "salt" | "iterations"> | null {
    const challenge = parseServerFirst(message);
    if (challenge === null) return null;
    const { nonce, iterations } = challenge;
    if (!nonce.startsWith(this.#first.nonce) || nonce.length === this.#first.nonce.length) return null;
    if (iterations < SCRAM_ITERATIONS_MIN || iterations > SCRAM_ITERATIONS_MAX) return null;
    this.#challenge = challenge;
    return challenge;
  }

  /** The final message, which has the proof; after `read()`. @param saltedPassword salted as `read()` said */
  prove(saltedPassword: Uint8Array): Uint8Array<ArrayBuffer> {
    const hash = this.#hash;
    const { text: challenge = "", nonce = "" } = this.#challenge ?? {};
    const withoutProof = clientFinalWithoutProof(this.#first.header, nonce);
    const text = utf8.encode(`${this.#first.bare},${challenge},${withoutProof}`);
    const clientKey = hash.hmac(saltedPassword, CLIENT_KEY);
    this.#signature = hash.hmac(hash.hmac(saltedPassword, SERVER_KEY), text);
    return utf8.encode(clientFinal(withoutProof, xor(clientKey, hash.hmac(hash.hash(clientKey), text))));
  }

  /** Whether the server's final message shows that the server knows the user's credential; after `prove()`. */
  accepts(message: Uint8Array): boolean {
    const signature = parseServerFinal(message);
    if (this.#signature === null || signature === null || signature.length !== this.#hash.bytes) return false;
    return this.#hash.equals(signature, this.#signature);
  }
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte ^ (b[index] as number));
}

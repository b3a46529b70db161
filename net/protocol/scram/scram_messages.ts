/**
 * The four messages of SCRAM as text, parsed and written. Pure; any isolate.
 *
 *   client first   n,[a=authzid],n=user,r=client nonce[,extensions]     "n": without channel binding
 *   server first   r=client nonce + server nonce,s=salt,i=iterations[,extensions]
 *   client final   c=header of the first message,r=both nonces[,extensions],p=proof
 *   server final   v=server signature[,extensions]                      (e=error: not sent here, as in Kafka)
 *
 * Proofs cover the text of the messages as received, so a parsed message keeps its parts. Salt, proof, signature and `c` are base64. Optional
 * extensions are skipped; "m=" announces one that must be understood, and is refused. A parser returns null for any other text.
 * Source: RFC 5802, section 7; Kafka's ScramMessages.
 */

/** Longest message that is parsed, in bytes. Kafka's own take about 100, and a user name adds its length. */
export const SCRAM_MESSAGE_BYTES_MAX = 4096;

/** What a client begins with. */
export interface ClientFirst {
  /** "n,,": repeated in the final message. */
  readonly header: string;
  /** The message without its header. */
  readonly bare: string;
  readonly userName: string;
  /** User that the client wants to act as; null: the one that it authenticates as. */
  readonly authorizationId: string | null;
  readonly nonce: string;
}

/** The challenge. */
export interface ServerFirst {
  readonly text: string;
  /** The client's nonce, with the server's behind it. */
  readonly nonce: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

/** The client's proof. */
export interface ClientFinal {
  readonly withoutProof: string;
  /** Header of the first message. */
  readonly header: string;
  readonly nonce: string;
  readonly proof: Uint8Array;
}

const NAME = "(?:[^\\0=,]|=2C|=3D)+";
const VALUE = "[^\\0,]+";
const NONCE = "[\\x21-\\x2B\\x2D-\\x7E]+";
const BASE64 = "[A-Za-z0-9+/]+={0,2}";
const EXTENSIONS = `(?:,[A-Za-ln-z]=${VALUE}|,[A-Za-z]{2,}=${VALUE})*`;

// Each part ends at a comma, which it cannot contain, so matching takes linear time.
const CLIENT_FIRST = new RegExp(`^(n,(?:a=(${NAME}))?,)(n=(${NAME}),r=(${NONCE})${EXTENSIONS})$`, "u");
const SERVER_FIRST = new RegExp(`^r=(${NONCE}),s=(${BASE64}),i=([1-9][0-9]{0,8})${EXTENSIONS}$`, "u");
const CLIENT_FINAL = new RegExp(`^(c=(${BASE64}),r=(${NONCE})${EXTENSIONS}),p=(${BASE64})$`, "u");
const SERVER_FINAL = new RegExp(`^v=(${BASE64})${EXTENSIONS}$`, "u");

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes the client's first message. */
export function clientFirst(userName: string, nonce: string): ClientFirst {
  const bare = `n=${userName.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;
  return { header: "n,,", bare, userName, authorizationId: null, nonce };
}

/** Parses the client's first message. */
export function parseClientFirst(message: Uint8Array): ClientFirst | null {
  const [, header, authorizationId, bare, userName, nonce] = CLIENT_FIRST.exec(textOf(message) ?? "") ?? [];
  if (header === undefined || bare === undefined || userName === undefined || nonce === undefined) return null;
  const named = authorizationId === undefined ? null : unescaped(authorizationId);
  return { header, bare, userName: unescaped(userName), authorizationId: named, nonce };
}

/** Writes the challenge. */
export function serverFirst({ nonce, salt, iterations }: Omit<ServerFirst, "text">): ServerFirst {
  return { text: `r=${nonce},s=${salt.toBase64()},i=${iterations}`, nonce, salt, iterations };
}

/** Parses the challenge. */
export function parseServerFirst(message: Uint8Array): ServerFirst | null {
  const text = textOf(message);
  const [, nonce, salted, iterations] = SERVER_FIRST.exec(text ?? "") ?? [];
  const salt = bytesOf(salted);
  if (text === null || nonce === undefined || salt === null) return null;
  return { text, nonce, salt, iterations: Number(iterations) };
}

/** Writes the client's final message without its proof, which is computed from it. @param header of its first message */
export function clientFinalWithoutProof(header: string, nonce: string): string {
  return `c=${new TextEncoder().encode(header).toBase64()},r=${nonce}`;
}

/** Writes the client's final message. */
export function clientFinal(withoutProof: string, proof: Uint8Array): string {
  return `${withoutProof},p=${proof.toBase64()}`;
}

/** Parses the client's final message. */
export function parseClientFinal(message: Uint8Array): ClientFinal | null {
  const [, withoutProof, binding, nonce, proven] = CLIENT_FINAL.exec(textOf(message) ?? "") ?? [];
  const [header, proof] = [bytesOf(binding), bytesOf(proven)];
  if (withoutProof === undefined || nonce === undefined || header === null || proof === null) return null;
  const headerText = textOf(header);
  return headerText === null ? null : { withoutProof, header: headerText, nonce, proof };
}

/** Writes the server's final message. */
export function serverFinal(signature: Uint8Array): string {
  return `v=${signature.toBase64()}`;
}

/** Parses the server's final message. @returns its signature */
export function parseServerFinal(message: Uint8Array): Uint8Array | null {
  return bytesOf(SERVER_FINAL.exec(textOf(message) ?? "")?.[1]);
}

function textOf(message: Uint8Array): string | null {
  if (message.length > SCRAM_MESSAGE_BYTES_MAX) return null;
  try {
    return utf8.decode(message);
  } catch {
    return null; // no UTF-8
  }
}

function bytesOf(base64: string | undefined): Uint8Array | null {
  if (base64 === undefined) return null;
  try {
    return Uint8Array.fromBase64(base64, { lastChunkHandling: "strict" });
  } catch {
    return null; // padding that is missing, too long, or not zero
  }
}

function unescaped(name: string): string {
  return name.replaceAll("=2C", ",").replaceAll("=3D", "=");
}

/**
 * Kafka's Uuid as text: 16 bytes as 22 characters of base64url. Pure; any isolate.
 * Source: Kafka's org.apache.kafka.common.Uuid.
 */

/** "No id" on the wire and in files. */
export const ZERO_UUID = "AAAAAAAAAAAAAAAAAAAAAA";
/** Id of the metadata topic; 0 and 1 are reserved. */
const ONE_UUID = "AAAAAAAAAAAAAAAAAAAAAQ";

const UUID_BYTES = 16;
/** 22 characters carry 132 bits: the last one has its 4 lowest bits clear. */
const UUID_TEXT = /^[A-Za-z0-9_-]{21}[AQgw]$/;

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Makes a random (version 4) id. It is never reserved and never begins with "-", which command lines take for an option. */
export function randomUuid(): string {
  for (;;) {
    const bytes = crypto.getRandomValues(new Uint8Array(UUID_BYTES));
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const text = toBase64Url(bytes);
    if (!text.startsWith("-")) return text;
  }
}

/**
 * Checks an id from a file or a user.
 * @param text 22 characters of base64url, padded ("==") or not
 * @returns the id without padding, or null when the text is not an id
 */
export function parseUuid(text: string): string | null {
  const bare = text.replace(/==$/, "");
  return UUID_TEXT.test(bare) ? bare : null;
}

/** Whether Kafka never gives this id to a topic, directory or cluster. */
export function isReservedUuid(uuid: string): boolean {
  return uuid === ZERO_UUID || uuid === ONE_UUID;
}

/**
 * Turns bytes into strings quickly. Topic names, client ids and topic ids repeat on every request, and TextDecoder takes 0.5 to 1 µs
 * where a hit here takes 0.04 (bench/protocol_bench.ts). Both caches are direct-mapped tables of a fixed size, one per
 * isolate: a new string replaces the one in its slot, so that no client can make them grow. Runs in any isolate.
 */

/** Longest text that is cached, in bytes. Topic names have at most 249 bytes, and most are far shorter. */
const CACHED_TEXT_BYTES_MAX = 64;
/** Slots of each cache, a power of two. 2048 texts of 64 bytes are about 200 KB. */
const SLOTS = 2048;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

const texts: string[] = new Array(SLOTS).fill("");
/** Malformed UTF-8 becomes U+FFFD, as in Java, because Latin-1 client ids exist. A byte order mark is text. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Decodes UTF-8.
 * @param bytes that hold the text; shared memory is fine
 * @param range position of the text; the caller has checked that it is inside
 */
export function decodeText(bytes: Uint8Array, start: number, length: number): string {
  if (length > CACHED_TEXT_BYTES_MAX) return decoder.decode(bytes.slice(start, start + length));
  let hash = FNV_OFFSET;
  let bits = 0;
  const end = start + length;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    bits |= byte;
    hash = Math.imul(hash ^ byte, FNV_PRIME);
  }
  if (bits >= 0x80) return decoder.decode(bytes.slice(start, end));
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  const known = texts[slot]!;
  if (known.length === length && isSameAscii(known, bytes, start)) return known;
  const text = String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
  texts[slot] = text;
  return text;
}

function isSameAscii(text: string, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}

/** Kafka's zero uuid: "no topic id". */
export const ZERO_UUID = "AAAAAAAAAAAAAAAAAAAAAA";
/** Bytes of a uuid on the wire. */
export const UUID_BYTES = 16;
/** Characters of a uuid as Kafka prints it: 128 bits in base64url without padding. */
const UUID_CHARS = 22;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NOT_IN_ALPHABET = 0xff;

const sextets = new Uint8Array(128).fill(NOT_IN_ALPHABET);
for (let value = 0; value < ALPHABET.length; value++) sextets[ALPHABET.charCodeAt(value)] = value;

const uuids: string[] = new Array(SLOTS).fill(ZERO_UUID);
/** The four words of each cached uuid. All zero is the zero uuid, the first entry of every slot. */
const uuidWords = new Int32Array(4 * SLOTS);

/**
 * Decodes a uuid to the 22 base64url characters that Kafka prints.
 * @param view that holds it
 * @param at byte index of its first byte; the caller has checked that 16 bytes follow
 */
export function decodeUuid(view: DataView, at: number): string {
  const a = view.getInt32(at);
  const b = view.getInt32(at + 4);
  const c = view.getInt32(at + 8);
  const d = view.getInt32(at + 12);
  const hash = Math.imul(a ^ Math.imul(b ^ Math.imul(c ^ Math.imul(d, FNV_PRIME), FNV_PRIME), FNV_PRIME), FNV_PRIME);
  const slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
  const words = slot * 4;
  if (
    uuidWords[words] === a && uuidWords[words + 1] === b && uuidWords[words + 2] === c && uuidWords[words + 3] === d
  ) {
    return uuids[slot]!;
  }
  let text = "";
  for (let bit = 0; bit < 128; bit += 6) text += ALPHABET[sextetAt(view, at, bit)];
  uuidWords[words] = a;
  uuidWords[words + 1] = b;
  uuidWords[words + 2] = c;
  uuidWords[words + 3] = d;
  uuids[slot] = text;
  return text;
}

/** Six bits of a uuid; zeros beyond its 128th bit. */
function sextetAt(view: DataView, at: number, bit: number): number {
  const byte = bit >> 3;
  const high = view.getUint8(at + byte);
  const low = byte < UUID_BYTES - 1 ? view.getUint8(at + byte + 1) : 0;
  return (((high << 8) | low) >> (10 - (bit & 7))) & 0x3f;
}

/**
 * Writes a uuid.
 * @param text 22 base64url characters
 * @param bytes receives it
 * @param at index of its first byte
 * @throws RangeError when the text is no uuid
 */
export function encodeUuid(text: string, bytes: Uint8Array, at: number): void {
  if (!isUuid(text)) {
    throw new RangeError(`Cannot encode ${JSON.stringify(text)} as a uuid: not 22 base64url characters`);
  }
  let buffered = 0;
  let bits = 0;
  let to = at;
  for (let index = 0; index < UUID_CHARS; index++) {
    buffered = ((buffered << 6) | sextets[text.charCodeAt(index)]!) & 0x3fff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[to++] = (buffered >> bits) & 0xff;
  }
}

/** Whether a text is a uuid as Kafka prints it. The last character carries two bits only, so it is one of AQgw. */
export function isUuid(text: string): boolean {
  if (text.length !== UUID_CHARS) return false;
  for (let index = 0; index < UUID_CHARS; index++) {
    const code = text.charCodeAt(index);
    if (code >= 128 || sextets[code] === NOT_IN_ALPHABET) return false;
  }
  return (sextets[text.charCodeAt(UUID_CHARS - 1)]! & 0x0f) === 0;
}

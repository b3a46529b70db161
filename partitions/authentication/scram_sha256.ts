/**
 * SCRAM-SHA-256 by the hash functions of node:crypto, which takes 15 ms to load, at its first use. Main isolate and shards.
 * Source: RFC 7677.
 */
import defer * as crypto from "node:crypto";
import type { ScramHash } from "../../net/protocol/scram/scram.ts";

/** Kafka's name of the mechanism. */
export const SCRAM_SHA_256 = "SCRAM-SHA-256";

/** Bytes of a nonce: a multiple of 3, so that its base64 ends without "=". */
const NONCE_BYTES = 24;

/** The hash functions. */
export const sha256: ScramHash = {
  bytes: 32,
  // Copied: a Buffer may be a part of a larger one, which a message to a shard would take along.
  hash: (data) => new Uint8Array(crypto.createHash("sha256").update(data).digest()),
  hmac: (key, data) => new Uint8Array(crypto.createHmac("sha256", key).update(data).digest()),
  equals: (a, b) => crypto.timingSafeEqual(a, b),
};

/** A new nonce. */
export function scramNonce(): string {
  return globalThis.crypto.getRandomValues(new Uint8Array(NONCE_BYTES)).toBase64();
}

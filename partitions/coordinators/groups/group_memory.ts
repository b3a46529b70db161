/**
 * Counts the memory that a shard's groups hold in addition to the rows of their committed offsets: the members' subscriptions and
 * assignments, and the metadata of commits. Each has a named budget, so no number of groups, members or names can exhaust the broker's
 * memory. Runs on shards.
 *
 * State that is in the log is always accepted, even above the budget: at load, and when earlier allowed changes take effect. A request
 * that needs more memory is refused before anything is written:
 *
 *   JoinGroup, ConsumerGroupHeartbeat   COORDINATOR_LOAD_IN_PROGRESS: all clients retry later, and find room when sessions have ended
 *   SyncGroup                           COORDINATOR_NOT_AVAILABLE: clients look the coordinator up and join again
 *   OffsetCommit with long metadata     OFFSET_METADATA_TOO_LARGE
 *
 * The sizes were measured on an optimized heap and rounded up (Deno 2.9).
 */
import { assert } from "../../../storage/base/assert.ts";
import { areSameBytes, type MemberProtocol } from "./classic/protocol_votes.ts";

const MIB = 1 << 20;
/** Bytes that all groups of a broker hold at most; a shard may hold its part of it, or the least that a group of 1,000 members takes. */
const GROUPS_BYTES_MAX = 64 * MIB;
/** Bytes of metadata of committed offsets, likewise. */
const METADATA_BYTES_MAX = 64 * MIB;
const SHARD_BYTES_MIN = 16 * MIB;

/** A group of either kind without members, in addition to its id. */
export const GROUP_BYTES = { classic: 1800, consumer: 4200 } as const;
/** A member, in addition to its strings and protocols. */
export const MEMBER_BYTES = 900;
/** A member id that was issued and not used yet. */
export const PENDING_BYTES = 400;
/** A protocol of a member, in addition to its name and bytes. */
const PROTOCOL_BYTES = 100;
/** A topic that members of a consumer group subscribe to, in addition to its name, and a topic that matches an expression. */
export const TOPIC_NAME_BYTES = 100;
/** A partition in the target assignment, the current assignment and the owned partitions of a consumer group's member. */
export const PARTITION_BYTES = 200;

/** How many bytes are compared to find equal ones: 16 KiB take 20 µs. */
const KEY_BYTES_MAX = 16 * 1024;

/** Estimates the memory of a string, at most, in bytes. */
export function bytesOfText(text: string | null): number {
  return text === null ? 0 : 2 * text.length;
}

/** Bytes that several members sent alike, kept once. */
interface Pooled {
  readonly bytes: Uint8Array;
  readonly key: number;
  holds: number;
}

/** A budget of memory and how much of it is used. */
export class GroupMemory {
  readonly #bytesMax: number;
  readonly #onShort: () => void;
  #bytes = 0;
  /** Shared bytes by `keyOf()`, one entry per key. Different bytes with the same key are not shared. */
  readonly #byKey = new Map<number, Pooled>();
  readonly #pooled = new Map<Uint8Array, Pooled>();

  /** @param bytesMax of the shard @param onShort called when a request finds no room, to free what can be freed */
  constructor(bytesMax = Infinity, onShort: () => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.#onShort = onShort;
  }

  /** Makes the budget of a shard for groups. */
  static forGroups(shardsCount: number, onShort: () => void): GroupMemory {
    return new GroupMemory(Math.max(GROUPS_BYTES_MAX / shardsCount, SHARD_BYTES_MIN), onShort);
  }

  /** Makes the budget of a shard for metadata of commits. */
  static forMetadata(shardsCount: number): GroupMemory {
    return new GroupMemory(Math.max(METADATA_BYTES_MAX / shardsCount, SHARD_BYTES_MIN));
  }

  /** How many bytes are used. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns whether this many more bytes may be used. Using less than before is always allowed. */
  hasRoomFor(bytes: number): boolean {
    if (bytes <= 0 || this.#bytes + bytes <= this.#bytesMax) return true;
    this.#onShort();
    return false;
  }

  /** Uses memory, or returns some. */
  change(bytes: number): void {
    this.#bytes += bytes;
    assert(this.#bytes >= 0, "no more is given back than was taken");
  }

  /** Computes what `hold()` would use: nothing for bytes that another member has sent. */
  costOf(protocols: readonly MemberProtocol[]): number {
    let cost = 0;
    for (const { name, metadata } of protocols) {
      const pooled = this.#byKey.get(keyOf(metadata));
      cost += overheadOf(name) + (pooled !== undefined && areSameBytes(pooled.bytes, metadata) ? 0 : metadata.length);
    }
    return cost;
  }

  /** Uses memory for a member's protocols. @returns equal protocols, in which bytes that other members sent too are shared */
  hold(protocols: readonly MemberProtocol[]): readonly MemberProtocol[] {
    return protocols.map(({ name, metadata }) => {
      this.change(overheadOf(name));
      return { name, metadata: this.#share(metadata) };
    });
  }

  /** Returns the memory that `hold()` used. @param protocols as `hold()` returned them */
  release(protocols: readonly MemberProtocol[]): void {
    for (const { name, metadata } of protocols) {
      this.change(-overheadOf(name));
      const pooled = this.#pooled.get(metadata);
      if (pooled !== undefined && --pooled.holds > 0) continue;
      this.change(-metadata.length);
      if (pooled === undefined) continue;
      this.#pooled.delete(metadata);
      this.#byKey.delete(pooled.key);
    }
  }

  #share(bytes: Uint8Array): Uint8Array {
    const key = keyOf(bytes);
    const known = this.#byKey.get(key);
    if (known !== undefined && areSameBytes(known.bytes, bytes)) {
      known.holds++;
      return known.bytes;
    }
    this.change(bytes.length);
    // The very same object again is the other one's, who holds it.
    const own = this.#pooled.has(bytes) ? bytes.slice() : bytes;
    if (known === undefined) {
      const pooled = { bytes: own, key, holds: 1 };
      this.#byKey.set(key, pooled);
      this.#pooled.set(own, pooled);
    }
    return own;
  }
}

function overheadOf(name: string): number {
  return PROTOCOL_BYTES + bytesOfText(name);
}

/** Computes a key for finding equal bytes: their length and FNV-1a; for long ones FNV-1a of the beginning and of samples. */
function keyOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  const begin = Math.min(bytes.length, KEY_BYTES_MAX);
  for (let index = 0; index < begin; index++) hash = Math.imul(hash ^ bytes[index]!, 0x01000193);
  const step = Math.ceil(bytes.length / KEY_BYTES_MAX);
  for (let index = begin; index < bytes.length; index += step) hash = Math.imul(hash ^ bytes[index]!, 0x01000193);
  return (hash >>> 0) * 0x20_0000 + (bytes.length & 0x1f_ffff);
}

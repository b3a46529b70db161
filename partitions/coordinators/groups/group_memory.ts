/**
 * How much memory the groups of a shard hold beside the rows of their committed offsets: what members say of themselves and what they are
 * given, and the metadata of commits. A named budget for each, so that no number of groups, members or names ends the broker. Runs on shards.
 *
 * What the log holds is always taken on, also above the budget: at the start, and when others do what was allowed before. Whoever wants
 * more is refused before anything is written:
 *
 *   JoinGroup, ConsumerGroupHeartbeat   COORDINATOR_LOAD_IN_PROGRESS: all clients come again later, and find room when sessions ended
 *   SyncGroup                           COORDINATOR_NOT_AVAILABLE: clients look for the coordinator and join again
 *   OffsetCommit with long metadata     OFFSET_METADATA_TOO_LARGE
 *
 * Sizes are measured ones of an optimized heap, rounded up (Deno 2.9).
 */
import { assert } from "../../../storage/base/assert.ts";
import { areSameBytes, type MemberProtocol } from "./classic/protocol_votes.ts";

const MIB = 1 << 20;
/** Bytes that all groups of a broker hold at most; a shard may hold its part of it, or the least that a group of 1,000 members takes. */
const GROUPS_BYTES_MAX = 64 * MIB;
/** Bytes of metadata of committed offsets, likewise. */
const METADATA_BYTES_MAX = 64 * MIB;
const SHARD_BYTES_MIN = 16 * MIB;

/** A group without members, of either kind, beside its id. */
export const GROUP_BYTES = { classic: 1800, consumer: 4200 } as const;
/** A member beside its strings and protocols. */
export const MEMBER_BYTES = 900;
/** A member id that was given out and not used yet. */
export const PENDING_BYTES = 400;
/** A protocol of a member beside its name and bytes. */
const PROTOCOL_BYTES = 100;
/** A topic that a consumer group's members name, beside its name, and one that an expression stands for. */
export const TOPIC_NAME_BYTES = 100;
/** A partition that a member of a consumer group is to have, has and owns. */
export const PARTITION_BYTES = 200;

/** Bytes that are looked at to find their equals: 16 KiB take 20 µs. */
const KEY_BYTES_MAX = 16 * 1024;

/** Memory of a string, at most. */
export function bytesOfText(text: string | null): number {
  return text === null ? 0 : 2 * text.length;
}

/** Bytes that many members say alike, kept once. */
interface Pooled {
  readonly bytes: Uint8Array;
  readonly key: number;
  holds: number;
}

/** A budget, and what is taken of it. */
export class GroupMemory {
  readonly #bytesMax: number;
  readonly #onShort: () => void;
  #bytes = 0;
  /** By `keyOf()`: one each. Others with the same key are not shared. */
  readonly #byKey = new Map<number, Pooled>();
  readonly #pooled = new Map<Uint8Array, Pooled>();

  /** @param bytesMax of the shard @param onShort called when somebody finds no room: what can go may go now */
  constructor(bytesMax = Infinity, onShort: () => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.#onShort = onShort;
  }

  /** The budget of a shard for groups. */
  static forGroups(shardsCount: number, onShort: () => void): GroupMemory {
    return new GroupMemory(Math.max(GROUPS_BYTES_MAX / shardsCount, SHARD_BYTES_MIN), onShort);
  }

  /** The budget of a shard for metadata of commits. */
  static forMetadata(shardsCount: number): GroupMemory {
    return new GroupMemory(Math.max(METADATA_BYTES_MAX / shardsCount, SHARD_BYTES_MIN));
  }

  /** What is taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether so much more may be taken; less than before may always. */
  hasRoomFor(bytes: number): boolean {
    if (bytes <= 0 || this.#bytes + bytes <= this.#bytesMax) return true;
    this.#onShort();
    return false;
  }

  /** Takes memory, or gives some back. */
  change(bytes: number): void {
    this.#bytes += bytes;
    assert(this.#bytes >= 0, "no more is given back than was taken");
  }

  /** What `hold()` would take: nothing for bytes that somebody else said. */
  costOf(protocols: readonly MemberProtocol[]): number {
    let cost = 0;
    for (const { name, metadata } of protocols) {
      const pooled = this.#byKey.get(keyOf(metadata));
      cost += overheadOf(name) + (pooled !== undefined && areSameBytes(pooled.bytes, metadata) ? 0 : metadata.length);
    }
    return cost;
  }

  /** Takes memory for what a member says. @returns the same, with bytes that others said too kept once */
  hold(protocols: readonly MemberProtocol[]): readonly MemberProtocol[] {
    return protocols.map(({ name, metadata }) => {
      this.change(overheadOf(name));
      return { name, metadata: this.#share(metadata) };
    });
  }

  /** Gives back what `hold()` took. @param protocols as it returned them */
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

/** Finds bytes that are alike: their length and FNV-1a, of long ones that of the beginning and of samples. */
function keyOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  const begin = Math.min(bytes.length, KEY_BYTES_MAX);
  for (let index = 0; index < begin; index++) hash = Math.imul(hash ^ bytes[index]!, 0x01000193);
  const step = Math.ceil(bytes.length / KEY_BYTES_MAX);
  for (let index = begin; index < bytes.length; index += step) hash = Math.imul(hash ^ bytes[index]!, 0x01000193);
  return (hash >>> 0) * 0x20_0000 + (bytes.length & 0x1f_ffff);
}

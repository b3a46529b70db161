/**
 * Damaged streams of every codec, made from good ones by a seed: the native libraries must not crash the process, nor write beyond the
 * limit, nor leave anything behind that changes the next good stream. BARNABAS_SEED replays a run, BARNABAS_SLOW=1 takes many more.
 */
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { constants, zstdCompressSync } from "node:zlib";
import { compressSync as compressBareSnappy } from "npm:snappy@7.4.3";
import { createRandom } from "../../base/random.ts";
import { codecNames } from "../record_batch.ts";
import { compress, decompressInto } from "./compression.ts";
import { ContentBuffer } from "./content_buffer.ts";

const ROUNDS = Deno.env.get("BARNABAS_SLOW") === "1" ? 200_000 : 1000;
const [SNAPPY, ZSTD] = [codecNames.indexOf("snappy"), codecNames.indexOf("zstd")];
/** Most memory for content: the smallest allocation of the buffer is larger than some limits. */
const LIMIT_BYTES = 1 << 18;

const seed = Number(Deno.env.get("BARNABAS_SEED") ?? Date.now() % 1_000_000);
const random = createRandom(seed);
const below = (limit: number) => Math.floor(random() * limit);

interface Stream {
  readonly codec: number;
  readonly packed: Uint8Array;
  readonly content: Uint8Array;
}

/** Text, runs and noise of all sizes around those of blocks. */
function newContent(): Uint8Array {
  const alphabet = 1 + below(255);
  const run = 1 + below(400);
  let byte = 0;
  return Uint8Array.from({ length: below(below(10) === 0 ? 150_000 : 3000) }, (_, at) => {
    if (at % run === 0) byte = below(alphabet);
    return below(4) === 0 ? below(alphabet) : byte;
  });
}

function newStream(): Stream {
  const content = newContent();
  const codec = 1 + below(4);
  const kind = below(4);
  if (codec === SNAPPY && kind < 2) {
    const bare = compressBareSnappy(content as unknown as Parameters<typeof compressBareSnappy>[0]);
    return { codec, packed: new Uint8Array(bare as Uint8Array), content };
  }
  if (codec === ZSTD && kind < 3) {
    const params = {
      [constants.ZSTD_c_contentSizeFlag]: kind & 1,
      [constants.ZSTD_c_checksumFlag]: below(2),
      [constants.ZSTD_c_windowLog]: 10 + below(18),
    };
    // The types of the runtime lack the size.
    const options = { params, ...(kind === 1 ? { pledgedSrcSize: content.length } : {}) };
    const packed = zstdCompressSync(content, options as Parameters<typeof zstdCompressSync>[1]);
    return { codec, packed: new Uint8Array(packed), content };
  }
  return { codec, packed: compress(codec, content).slice(), content };
}

/** Flips bits, overwrites, cuts, repeats, inserts and joins parts; headers more often than the rest. */
function mutated({ packed }: Stream, other: Stream): Uint8Array {
  let bytes = [...packed];
  for (let times = 1 + below(4); times > 0; times--) {
    const at = below(below(2) === 0 ? Math.min(24, bytes.length) : bytes.length);
    const length = 1 + below(8);
    switch (below(6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        for (let next = at; next < at + length; next++) bytes[next] = [0, 0xff, 0x7f, 0x80, below(256)][below(5)]!;
        break;
      case 2:
        bytes.splice(at, below(2) === 0 ? length : bytes.length);
        break;
      case 3:
        bytes.splice(at, 0, ...bytes.slice(at, at + 1 + below(64)));
        break;
      case 4:
        bytes.splice(at, 0, ...Array.from({ length }, () => below(256)));
        break;
      default:
        bytes = [...bytes.slice(0, at), ...other.packed.slice(below(other.packed.length))];
    }
  }
  return new Uint8Array(bytes.slice(0, 400_000).map((byte) => byte ?? 0));
}

/** In shared memory, amid other bytes, as batches lie in an arena. */
function inArena(bytes: Uint8Array): Uint8Array {
  const arena = new Uint8Array(new SharedArrayBuffer(bytes.length + 16)).fill(0xee);
  arena.set(bytes, 8);
  return arena.subarray(8, 8 + bytes.length);
}

Deno.test("decompressInto() withstands damaged streams of every codec, within its limit (seeded)", () => {
  const content = new ContentBuffer();
  const endings = new Map<string, number>();
  let good = newStream();
  for (let round = 0; round < ROUNDS; round++) {
    const label = `BARNABAS_SEED=${seed}, round ${round}`;
    const other = good;
    good = newStream();
    const damaged = inArena(mutated(good, other));
    const copy = damaged.slice();
    const limit = 1 + below(LIMIT_BYTES);
    const refusal = decompressInto(content, good.codec, damaged, limit, below(2) === 0 ? 16 : undefined);
    assert.ok(content.length <= limit, label);
    assert.ok(content.bytes.length <= Math.max(LIMIT_BYTES, 2 * 1024 * 1024), label);
    assert.deepEqual(damaged, copy, `${label}: the input is not changed`);
    const ending = `${codecNames[good.codec]} ${refusal ?? "read"}`;
    endings.set(ending, (endings.get(ending) ?? 0) + 1);
    assert.equal(decompressInto(content, good.codec, inArena(good.packed), LIMIT_BYTES), null, label);
    assert.ok(Buffer.compare(content.bytes.subarray(0, content.length), good.content) === 0, label);
  }
  for (const codec of codecNames.slice(1)) {
    const refused = (endings.get(`${codec} corrupt-data`) ?? 0) + (endings.get(`${codec} too-large`) ?? 0);
    assert.ok(refused > ROUNDS / 20, `${codec}: ${refused} of ${ROUNDS} were refused (BARNABAS_SEED=${seed})`);
  }
});

/** Pseudo-random choices that replay from their seed. Pure; a test prints its seed. */
import { createRandom } from "../../storage/base/random.ts";

/** Choices that repeat with the seed. */
export class Random {
  readonly seed: number;
  readonly #next: () => number;

  constructor(seed: number) {
    this.seed = seed;
    this.#next = createRandom(seed);
  }

  /** An integer of 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor(this.#next() * bound);
  }

  /** True in one of `n` cases. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  /** One of the values. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }
}

/**
 * The first seed to use: $BARNABAS_SEED to replay a run; else 1, so that a commit does not fail by what another one has begun; a new one with
 * BARNABAS_SLOW=1.
 */
export function chooseSeed(): number {
  const fixed = Deno.env.get("BARNABAS_SEED");
  if (fixed !== undefined) return Number(fixed);
  return Deno.env.get("BARNABAS_SLOW") === "1" ? Math.floor(Math.random() * 2 ** 31) : 1;
}

/** Runs a test with the seed to use; a failure names it. */
export async function withSeed(test: (seed: number) => Promise<void>): Promise<void> {
  const seed = chooseSeed();
  try {
    await test(seed);
  } catch (cause) {
    throw new Error(`The test of seed ${seed} failed: BARNABAS_SEED=${seed} replays it`, { cause });
  }
}

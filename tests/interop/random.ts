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

/** The seed to use: $BARNABAS_SEED to replay a run, or a new one. */
export function chooseSeed(): number {
  return Number(Deno.env.get("BARNABAS_SEED") ?? Math.floor(Math.random() * 2 ** 31));
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

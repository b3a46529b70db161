/**
 * One broker under attack, and the judgement after each attack: the broker lives, honest clients get correct answers, memory and turn
 * times stay within their bounds. After an attack that the broker did not withstand, the next one gets a new broker. Test code.
 */
import { Ledger } from "./attacker.ts";
import { HonestClients } from "./honest_clients.ts";
import { EXTRA_BYTES_MAX, judgeMemory, judgeTurns } from "./judgement.ts";
import { Meter } from "./meter.ts";
import { Victim } from "./victim_process.ts";

/** What an attack may use. */
export interface Field<Context> {
  readonly victim: Victim;
  /** What `prepare` made in this broker. */
  readonly context: Context;
  readonly ledger: Ledger;
  /** Reports a violation: the attack continues, and the judgement names it. */
  complain(text: string): void;
}

/** The judgement. */
export interface Verdict {
  /** Empty if the broker withstood the attack. */
  readonly complaints: readonly string[];
  /** Whether all complaints are about turn times. */
  readonly isOnlySlow: boolean;
  /** Whether all that was wrong, apart from turn times, is that it took too much memory. */
  readonly isOnlyLarge: boolean;
  /** Figures, for people. */
  readonly figures: string;
}

interface Besieged<Context> {
  readonly victim: Victim;
  readonly honest: HonestClients;
  readonly context: Context;
  readonly idleBytes: number;
}

/** The broker, its honest clients and the meter; disposal ends all. */
export class Siege<Context> implements AsyncDisposable {
  readonly #meter = new Meter();
  readonly #prepare: (victim: Victim) => Promise<Context>;
  #current: Besieged<Context> | null = null;

  /** @param prepare makes what attacks need in each new broker */
  constructor(prepare: (victim: Victim) => Promise<Context>) {
    this.#prepare = prepare;
  }

  /** Runs an attack and judges the broker after it. @param extraBytesMax memory that it may use beyond idle size and unanswered requests */
  async attack(attack: (field: Field<Context>) => Promise<void>, extraBytesMax = EXTRA_BYTES_MAX): Promise<Verdict> {
    const { victim, honest, context, idleBytes } = this.#current ??= await this.#start();
    const complaints: string[] = [];
    const complain = (text: string) => void complaints.push(text);
    const ledger = new Ledger();
    honest.longestMs = 0;
    victim.resetPeak();
    const beforeBytes = victim.residentBytes;
    const before = await victim.turnTimes() ?? [];
    await this.#meter.start(victim.pid);
    const startMs = performance.now();
    try {
      await attack({ victim, context, ledger, complain });
    } catch (error) {
      complain(`the attack failed: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
    }
    const tookMs = performance.now() - startMs;
    // The turn that sent the last answer may not be over, and requests of clients that left may still be under way.
    await victim.waitUntilIdle();
    const samples = await this.#meter.stop();
    const after = await victim.turnTimes();
    if (honest.failure !== null) complain(honest.failure);
    let isOnlyLarge = false;
    let figures = `${Math.round(tookMs)} ms, honest ≤ ${Math.round(honest.longestMs)} ms`;
    if (after === null) {
      complain(`the broker ended (${JSON.stringify(victim.end)}):\n${victim.lastWords}`);
    } else {
      const count = complaints.length;
      figures += `, ${judgeMemory(victim, { idleBytes, beforeBytes, extraBytesMax, ledger, complain })}`;
      isOnlyLarge = count === 0 && complaints.length > 0;
    }
    const othersCount = complaints.length;
    if (othersCount > 0) await this.#end();
    // Long turns need no new broker: they leave nothing behind.
    if (after !== null) figures += `, ${judgeTurns(before, after, { samples, complain })}`;
    return { complaints, isOnlySlow: complaints.length > 0 && othersCount === 0, isOnlyLarge, figures };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    this.#meter[Symbol.dispose]();
  }

  async #start(): Promise<Besieged<Context>> {
    const victim = await Victim.start();
    const context = await this.#prepare(victim);
    const honest = new HonestClients(victim.port);
    while (honest.rounds < 2 && honest.failure === null) await new Promise((resolve) => setTimeout(resolve, 5));
    return { victim, honest, context, idleBytes: victim.residentBytes };
  }

  async #end(): Promise<void> {
    const current = this.#current;
    this.#current = null;
    if (current === null) return;
    // The broker ends first, because an honest client may wait for an answer that never comes.
    await current.victim[Symbol.asyncDispose]();
    await current.honest[Symbol.asyncDispose]();
  }
}

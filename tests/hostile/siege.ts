/**
 * One broker under attack and the judgement after each attack: it lives, honest clients are served rightly, memory and turn times keep
 * their bounds. After an attack that it did not stand, the next one meets a new broker. Test code.
 */
import { Ledger } from "./attacker.ts";
import { HonestClients } from "./honest_clients.ts";
import { judgeMemory, judgeTurns } from "./judgement.ts";
import { Meter } from "./meter.ts";
import { Victim } from "./victim_process.ts";

/** What an attack may use. */
export interface Field<Context> {
  readonly victim: Victim;
  /** What was prepared in this broker. */
  readonly context: Context;
  readonly ledger: Ledger;
  /** Something that must not be: the attack goes on, the judgement names it. */
  complain(text: string): void;
}

/** The judgement. */
export interface Verdict {
  /** Empty: the broker stood it. */
  readonly complaints: readonly string[];
  /** Figures, for people. */
  readonly figures: string;
}

interface Besieged<Context> {
  readonly victim: Victim;
  readonly honest: HonestClients;
  readonly context: Context;
  readonly idleBytes: number;
}

/** The broker, those who use it and those who watch it; disposal ends all. */
export class Siege<Context> implements AsyncDisposable {
  readonly #meter = new Meter();
  readonly #prepare: (victim: Victim) => Promise<Context>;
  #current: Besieged<Context> | null = null;

  /** @param prepare makes what attacks need to find, in each new broker */
  constructor(prepare: (victim: Victim) => Promise<Context>) {
    this.#prepare = prepare;
  }

  /** Carries an attack out and judges what became of the broker. */
  async attack(attack: (field: Field<Context>) => Promise<void>): Promise<Verdict> {
    const { victim, honest, context, idleBytes } = this.#current ??= await this.#start();
    const complaints: string[] = [];
    const complain = (text: string) => void complaints.push(text);
    const ledger = new Ledger();
    honest.longestMs = 0;
    victim.forgetPeak();
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
    // The turn that sent the last answer may not be over, and nobody waited for what was left behind.
    await victim.settle();
    const samples = await this.#meter.stop();
    const after = await victim.turnTimes();
    if (honest.failure !== null) complain(honest.failure);
    let figures = `${Math.round(tookMs)} ms, honest ≤ ${Math.round(honest.longestMs)} ms`;
    if (after === null) {
      complain(`the broker ended (${JSON.stringify(victim.end)}):\n${victim.lastWords}`);
    } else {
      figures += `, ${judgeMemory(victim, { idleBytes, beforeBytes, ledger, complain })}`;
    }
    if (complaints.length > 0) await this.#end();
    // A turn that is over leaves nothing behind.
    if (after !== null) figures += `, ${judgeTurns(before, after, { samples, complain })}`;
    return { complaints, figures };
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
    // First the broker: an honest client may wait for an answer that never comes.
    await current.victim[Symbol.asyncDispose]();
    await current.honest[Symbol.asyncDispose]();
  }
}

/**
 * Quotas of changes of topics (KIP-599): `controller_mutation_rate` partitions may be created or deleted a second. Runs on the main
 * isolate, where the changes are made.
 *
 * A strict request (CreateTopics 6, DeleteTopics 5, CreatePartitions 3, and later ones) gets THROTTLING_QUOTA_EXCEEDED for each topic
 * while its client is in debt. One that is not may go into debt by as many partitions as the topic has. An older request is never
 * refused: its client pauses afterwards.
 *
 * Not done: in a cluster each broker counts what it is asked for, where Kafka's controller counts for all.
 * Source: Kafka's ControllerMutationQuotaManager.
 */
import { errorCode, errorMessage } from "../../net/protocol/error_codes.ts";
import type { ClientQuota } from "../metadata/settings/quota_rows.ts";
import { quotaName } from "./quota_name.ts";
import { QuotaLookup, userOf } from "./quota_lookup.ts";
import { afterUse, atOtherRate, pauseMs, type Rate, unused } from "./rates.ts";

/** Who asks for a change. */
export interface MutationClient {
  readonly principal: string;
  readonly clientId: string;
  readonly isStrict: boolean;
}

/** Clients whose use is remembered; beyond that the one that was idle for longest is forgotten. */
export const REMEMBERED_MAX = 10_000;
/** Most characters of their names together: a client id may have 32,767. */
const REMEMBERED_CHARACTERS_MAX = 4 * 1024 * 1024;

/** The refusal of a topic. */
const THROTTLED = {
  errorCode: errorCode.THROTTLING_QUOTA_EXCEEDED,
  errorMessage: errorMessage(errorCode.THROTTLING_QUOTA_EXCEEDED),
} as const;

/** A topic of a request as it was planned. */
type Planned =
  & { readonly name: string }
  & ({ readonly plan: { readonly replicas: { readonly length: number } } } | object);

/** What the quotas need. */
export interface MutationQuotasParts {
  /** The same list until a quota changes. */
  readonly image: { readonly clientQuotas: readonly ClientQuota[] };
  readonly config: { readonly controllerQuotaWindowNum: number; readonly controllerQuotaWindowMs: number };
  /** Monotonic time. */
  readonly nowMs: () => number;
}

/** The quotas of a broker. */
export class MutationQuotas {
  readonly #parts: MutationQuotasParts;
  /** By sharers; who was idle for longest is first. */
  readonly #used = new Map<string, { dueMs: number; perSecond: number }>();
  /** Of the names of these sharers, which have clients' ids in them. */
  #characters = 0;
  #seen: readonly ClientQuota[] = [];
  #lookup = new QuotaLookup([], quotaName.mutation);

  constructor(parts: MutationQuotasParts) {
    this.#parts = parts;
  }

  /** The quota of one request. @param client undefined for the broker itself, which has none */
  of(client?: MutationClient): MutationQuota {
    const { clientQuotas } = this.#parts.image;
    if (clientQuotas !== this.#seen) {
      this.#seen = clientQuotas;
      this.#lookup = new QuotaLookup(clientQuotas, quotaName.mutation);
    }
    if (client === undefined) return new MutationQuota(() => null);
    const { principal, clientId, isStrict } = client;
    const found = this.#lookup.find(userOf(principal), clientId);
    if (found === null) return new MutationQuota(() => null);
    return new MutationQuota((partitions) => this.#charge(found, partitions, isStrict));
  }

  #forget(sharers: string): void {
    if (this.#used.delete(sharers)) this.#characters -= sharers.length;
  }

  /** @returns whether the change is refused, and how long to pause */
  #charge(
    { sharers, perSecond }: { sharers: string; perSecond: number },
    partitions: number,
    isStrict: boolean,
  ): { isRefused: boolean; pauseMs: number } {
    const { config: { controllerQuotaWindowNum, controllerQuotaWindowMs } } = this.#parts;
    const nowMs = this.#parts.nowMs();
    const rate: Rate = {
      perSecond,
      burstMs: controllerQuotaWindowNum * controllerQuotaWindowMs,
      debtMsMax: Infinity,
    };
    const known = this.#used.get(sharers);
    const dueMs = known === undefined
      ? unused(nowMs, rate)
      : atOtherRate(known.dueMs, nowMs, { from: known.perSecond, to: perSecond });
    const owedMs = pauseMs(dueMs, nowMs);
    if (isStrict && owedMs > 0) return { isRefused: true, pauseMs: owedMs };
    this.#forget(sharers);
    const afterMs = afterUse(dueMs, partitions, nowMs, rate);
    this.#used.set(sharers, { dueMs: afterMs, perSecond });
    this.#characters += sharers.length;
    while (this.#used.size > REMEMBERED_MAX || this.#characters > REMEMBERED_CHARACTERS_MAX) {
      this.#forget(this.#used.keys().next().value as string);
    }
    return { isRefused: false, pauseMs: isStrict ? 0 : pauseMs(afterMs, nowMs) };
  }
}

/** The quota of one request. */
export class MutationQuota {
  readonly #charge: (partitions: number) => { isRefused: boolean; pauseMs: number } | null;
  /** What was decided for the topics of the request. */
  readonly #isRefused = new Map<string, boolean>();
  #throttleTimeMs = 0;

  /** @param charge partitions; null without a quota */
  constructor(charge: (partitions: number) => { isRefused: boolean; pauseMs: number } | null) {
    this.#charge = charge;
  }

  /** How long the client has to pause. */
  get throttleTimeMs(): number {
    return this.#throttleTimeMs;
  }

  /** Charges the change of a topic, once for each name. @returns the refusal, null when it may be made */
  refuse(name: string, partitions: number): typeof THROTTLED | null {
    let isRefused = this.#isRefused.get(name);
    if (isRefused === undefined) {
      const charged = this.#charge(partitions);
      this.#throttleTimeMs = Math.max(this.#throttleTimeMs, charged?.pauseMs ?? 0);
      isRefused = charged?.isRefused ?? false;
      this.#isRefused.set(name, isRefused);
    }
    return isRefused ? THROTTLED : null;
  }

  /** Charges planned topics in their order, and refuses those that exceed the quota. They may be planned several times. */
  limit<T extends Planned>(plans: readonly T[]): (T | ({ readonly name: string } & typeof THROTTLED))[] {
    return plans.map((topic) => {
      const refusal = "plan" in topic ? this.refuse(topic.name, topic.plan.replicas.length) : null;
      return refusal === null ? topic : { name: topic.name, ...refusal };
    });
  }
}

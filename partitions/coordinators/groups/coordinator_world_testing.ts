/**
 * What the model of a coordinator (coordinator_model_testing.ts) acts on: one broker whose process is killed and started again, or several
 * (coordinator_cluster_testing.ts). Tests only.
 */
import type { ManualClock } from "../../../storage/base/clock.ts";
import type { GroupApiKey, GroupRequest, GroupResponse } from "./group_apis.ts";
import type { Call } from "./group_ports_testing.ts";
import { TestCoordinator, type TestCoordinatorOptions } from "./coordinator_testing.ts";

/** The coordinator of the model, wherever it is. */
export interface CoordinatorWorld {
  readonly clock: ManualClock;
  /** Whether others may coordinate after a fault, and what was refused may have been written: it waited for other replicas. */
  readonly isReplicated: boolean;
  /** Sends a request as a client does, without ending the turn. */
  send<Key extends GroupApiKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    apiVersion: number,
  ): Call<GroupResponse<Key>>;
  /** Goes on until a request is answered. */
  answerOf<Response>(call: Call<Response>): Response;
  /** Whether a request will never be answered: its broker has been killed. */
  isLost(call: object): boolean;
  turn(): void;
  advance(ms: number): void;
  fillDisk(isFull: boolean): void;
  /** A process is killed, or another broker is elected. */
  fail(): void;
  /** All faults are over: everything that waits is answered. */
  settle(): void;
  /** Ends it. @returns how many bytes of its budgets are still in use */
  dispose(): number;
}

/** Requests and the brokers that have them. */
export class SentCalls {
  #sent: { readonly call: { readonly isWaiting: boolean }; readonly nodeId: number }[] = [];
  readonly #lost = new WeakSet<object>();

  /** A broker got a request. */
  add<Response>(call: Call<Response>, nodeId: number): Call<Response> {
    if (this.#sent.length > 1000) this.#sent = this.#sent.filter(({ call }) => call.isWaiting);
    this.#sent.push({ call, nodeId });
    return call;
  }

  /** A broker answers nothing any more of what it got. */
  lose(nodeId: number): void {
    for (const sent of this.#sent) if (sent.nodeId === nodeId && sent.call.isWaiting) this.#lost.add(sent.call);
    this.#sent = this.#sent.filter((sent) => sent.nodeId !== nodeId);
  }

  /** Whether a request will never be answered. */
  isLost(call: object): boolean {
    return this.#lost.has(call);
  }

  /** How many requests wait for an answer. */
  get waitingCount(): number {
    return this.#sent.filter(({ call }) => call.isWaiting).length;
  }
}

/** One broker. Its process is killed; what it had written stays. */
export class SingleWorld implements CoordinatorWorld {
  readonly isReplicated = false;
  readonly #test: TestCoordinator;
  readonly #calls = new SentCalls();

  constructor(options: TestCoordinatorOptions) {
    this.#test = new TestCoordinator(options);
  }

  get clock(): ManualClock {
    return this.#test.clock;
  }

  send<Key extends GroupApiKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    apiVersion: number,
  ): Call<GroupResponse<Key>> {
    return this.#calls.add(this.#test.send(apiKey, request, apiVersion), 1);
  }

  answerOf<Response>(call: Call<Response>): Response {
    return call.answer;
  }

  isLost(call: object): boolean {
    return this.#calls.isLost(call);
  }

  turn(): void {
    this.#test.turn();
  }

  advance(ms: number): void {
    this.#test.advance(ms);
  }

  fillDisk(isFull: boolean): void {
    this.#test.files.capacityBytes = isFull ? 0 : Infinity;
  }

  fail(): void {
    this.#test.restart();
    this.#calls.lose(1);
  }

  settle(): void {
    this.#test.turn();
  }

  dispose(): number {
    this.#test.coordinator.dispose();
    const { groupBytes, metadataBytes } = this.#test.coordinator.counts;
    return groupBytes + metadataBytes;
  }
}

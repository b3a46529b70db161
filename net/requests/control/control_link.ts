/**
 * A shard's link to the control plane: a call is posted to the main isolate, its result comes back as a message and goes to
 * the caller's callback. Runs on shards.
 */
import type { ControlCallName, ControlCalls, ControlClient, ControlFailure } from "../../../partitions/mod.ts";
import { AwaitedAnswers } from "../../shards/awaited_answers.ts";
import type { FromShard } from "../../shards/shard_messages.ts";

/** The link. */
export class ControlLink implements ControlClient {
  readonly #post: (message: FromShard) => void;
  readonly #waiting = new AwaitedAnswers<unknown>();

  /** @param post sends a message to the main isolate */
  constructor(post: (message: FromShard) => void) {
    this.#post = post;
  }

  call<Name extends ControlCallName>(
    name: Name,
    args: ControlCalls[Name]["args"],
    done: (result: ControlCalls[Name]["result"] | ControlFailure) => void,
  ): void {
    this.#post({ type: "call", id: this.#waiting.add(done as (result: unknown) => void), name, args });
  }

  /** A result has arrived. @param id of the call */
  receive(id: number, result: unknown): void {
    this.#waiting.receive(id, result);
  }
}

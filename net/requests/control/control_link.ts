/**
 * A shard's link to the control plane: a call is posted to the main isolate, its result comes back as a message and goes to
 * the caller's callback. Runs on shards.
 */
import type { ControlCallName, ControlCalls, ControlClient, ControlFailure } from "../../../partitions/mod.ts";
import type { FromShard } from "../../shards/shard_messages.ts";

type Done = (result: unknown) => void;

/** The link. */
export class ControlLink implements ControlClient {
  readonly #post: (message: FromShard) => void;
  readonly #waiting = new Map<number, Done>();
  #nextId = 1;

  /** @param post sends a message to the main isolate */
  constructor(post: (message: FromShard) => void) {
    this.#post = post;
  }

  call<Name extends ControlCallName>(
    name: Name,
    args: ControlCalls[Name]["args"],
    done: (result: ControlCalls[Name]["result"] | ControlFailure) => void,
  ): void {
    const id = this.#nextId++;
    this.#waiting.set(id, done as Done);
    this.#post({ type: "call", id, name, args });
  }

  /** A result has arrived. @param id of the call */
  receive(id: number, result: unknown): void {
    const done = this.#waiting.get(id);
    this.#waiting.delete(id);
    done?.(result);
  }
}

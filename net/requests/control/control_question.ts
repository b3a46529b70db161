/**
 * How a handler asks the control plane on the main isolate. Runs on shards.
 *
 * Always: what waits there counts as memory of requests until its result has come, also when its client has gone, so that clients that
 * ask and go cannot fill the main isolate.
 */
import type { ControlCallName, ControlCalls, ControlClient, ControlFailure } from "../../../partitions/mod.ts";
import type { Exchange } from "../handler.ts";

/** What is asked. */
export interface ControlQuestion<Name extends ControlCallName> {
  readonly name: Name;
  readonly args: ControlCalls[Name]["args"];
}

/** Asks. @param done gets the result on a later turn */
export function askControl<Name extends ControlCallName>(
  { name, args }: ControlQuestion<Name>,
  { control, exchange }: { control: ControlClient; exchange: Exchange<never> },
  done: (result: ControlCalls[Name]["result"] | ControlFailure) => void,
): void {
  const release = exchange.holdMemory();
  control.call(name, args, (result) => {
    release();
    try {
      done(result);
    } catch (error) {
      exchange.fail(error);
    }
  });
}

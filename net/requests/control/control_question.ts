/**
 * How a handler calls the control plane on the main isolate. Runs on shards.
 *
 * Always: the memory of a request counts until the result of its call has come, also when its client has disconnected. Otherwise
 * clients that send requests and disconnect could fill the main isolate.
 */
import type { ControlCallName, ControlCalls, ControlClient, ControlFailure } from "../../../partitions/mod.ts";
import type { Exchange } from "../handler.ts";

/** The call and its arguments. */
export interface ControlQuestion<Name extends ControlCallName> {
  readonly name: Name;
  readonly args: ControlCalls[Name]["args"];
}

/** Calls the control plane. @param done receives the result in a later turn */
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

/**
 * A program: a broker of some checkout that writes the times of its turns to a file whenever it gets SIGUSR2. `main.ts` does not tell them.
 * Its argument is a `TimedBroker` as JSON.
 */
import type * as Barnabas from "../../../mod.ts";

/** What to start, and where the times go. */
interface TimedBroker {
  /** main.ts of the checkout, beside which its mod.ts lies. */
  readonly mainProgram: string;
  readonly port: number;
  readonly dataDir: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly turnTimesFile: string;
}

const { mainProgram, port, dataDir, properties, turnTimesFile } = JSON.parse(Deno.args[0] ?? "{}") as TimedBroker;
const { startBroker } = await import(new URL("mod.ts", `file://${mainProgram}`).href) as typeof Barnabas;
const broker = await startBroker({ port, dataDir, overrides: properties });

Deno.addSignalListener("SIGUSR2", () => {
  // The reader polls for the file, which must be whole when it appears.
  Deno.writeTextFileSync(`${turnTimesFile}.new`, JSON.stringify(broker.turnTimes()));
  Deno.renameSync(`${turnTimesFile}.new`, turnTimesFile);
});
Deno.addSignalListener("SIGTERM", () => void broker.close());
await broker.closed;
Deno.exit(0); // the signal listeners keep the process alive

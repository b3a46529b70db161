// deno-lint-ignore-file no-console -- the program's own words; everything else logs
/**
 * The program: flags and server.properties -> startBroker() -> signals -> exit code. No logic of its own: the command line is read
 * in partitions/config/command_line/command_line.ts, everything else happens behind mod.ts. Runs on the main isolate.
 *
 * Exit codes: 0 stopped cleanly · 1 could not start, or a part of it failed · 2 the command line is wrong ·
 * 128 + signal number when a second signal stopped it at once.
 *
 * LogTape is loaded with the rest: measured 9 to 17 ms of the start on a 2-core machine, and the modules that log name it
 * anyway, so loading it later would gain nothing.
 */
import { configure, getTextFormatter, type LogRecord } from "npm:@logtape/logtape@2.4.2";
import { type Broker, startBroker, StartupError } from "./mod.ts";
import { parseCommandLine } from "./partitions/config/command_line/command_line.ts";
import { VERSION } from "./partitions/config/version.ts";

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

async function main(args: string[]): Promise<number> {
  const plan = parseCommandLine(args, Deno.readTextFileSync);
  switch (plan.kind) {
    case "help":
    case "version":
      console.log(plan.text.trimEnd());
      return 0;
    case "refused":
      console.error(`barnabas: ${plan.message}`);
      return 2;
  }
  await logToStandardError();
  for (const warning of plan.warnings) console.error(`barnabas: ${warning}`);
  const stopped = firstSignal();
  const broker = await startOrExplain({ config: plan.config, topics: plan.topics });
  if (broker === null) return 1;
  for (const address of broker.bootstrapServers.split(",")) console.log(banner(address, broker));
  const failure = broker.closed.then(() => null, (reason: unknown) => reason);
  const ended = await Promise.race([stopped, failure.then((reason) => ({ reason }))]);
  if (typeof ended !== "string") return explain(ended.reason);
  console.error(`barnabas: ${ended}: stopping; another one stops at once`);
  await broker.close();
  return explain(await failure);
}

/** @returns null after having said on standard error why it could not start */
async function startOrExplain(options: Parameters<typeof startBroker>[0]): Promise<Broker | null> {
  try {
    return await startBroker(options);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    console.error(`barnabas: ${error.message}`);
    return null;
  }
}

/** @returns the exit code for how the broker ended; null is a clean end */
function explain(reason: unknown): number {
  if (reason === null) return 0;
  console.error(`barnabas: ${reason instanceof Error ? reason.stack ?? reason.message : String(reason)}`);
  return 1;
}

function banner(address: string, broker: Broker): string {
  const seconds = (performance.now() / 1000).toFixed(2);
  const shards = broker.shards === 1 ? "1 shard" : `${broker.shards} shards`;
  return `Barnabas ${VERSION} listening on ${address} · data in ${broker.dataDir} · ${shards} · started in ${seconds} s`;
}

/** Settles with the first signal; the second ends the process. */
function firstSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let isFirst = true;
  for (const [signal, number] of Object.entries(SIGNAL_NUMBERS) as [Deno.Signal, number][]) {
    Deno.addSignalListener(signal, () => {
      if (!isFirst) Deno.exit(128 + number);
      isFirst = false;
      resolve(signal);
    });
  }
  return promise;
}

/** Each record is written before the call returns, so that the last words before an exit are not lost. */
async function logToStandardError(): Promise<void> {
  // Sentences are printed as they are, not as quoted values.
  const format = getTextFormatter({ value: (value) => typeof value === "string" ? value : Deno.inspect(value) });
  const encoder = new TextEncoder();
  const sink = (record: LogRecord) => {
    Deno.stderr.writeSync(encoder.encode(format(record)));
  };
  await configure({
    sinks: { standardError: sink },
    loggers: [
      { category: "barnabas", sinks: ["standardError"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: ["standardError"], lowestLevel: "warning" },
    ],
  });
}

Deno.exit(await main(Deno.args));

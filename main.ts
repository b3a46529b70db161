// deno-lint-ignore-file no-console -- the program's own words; everything else logs
/**
 * The program: flags and server.properties -> startBroker() -> signals -> exit code. The command line is read in
 * partitions/config/command_line/command_line.ts; everything else happens behind mod.ts. Three commands start no broker: `verify` and
 * `dump` (storage/inspection/commands.ts), and `cluster raise` (partitions/administration/raise_command.ts). Runs on the main isolate.
 *
 * Exit codes: 0 stopped cleanly · 1 could not start, or a part of it failed, or a command found damage, or did not do all ·
 * 2 the command line is wrong · 128 + signal number when a second signal stopped it at once.
 *
 * LogTape is loaded at the start, where it takes 9 to 17 ms (measured on 2 cores). Loading it later would gain nothing, because the
 * modules that log import it anyway.
 */
import { configure, getTextFormatter, type LogRecord } from "npm:@logtape/logtape@2.4.2";
import { type Broker, ClusterFailure, DiskFailure, startBroker, StartupError } from "./mod.ts";
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
    case "dump":
    case "verify": {
      const commands = await import("./storage/inspection/commands.ts");
      return commands[plan.kind](plan.path, terminal);
    }
    case "raise": {
      const { raise } = await import("./partitions/administration/raise_command.ts");
      return await raise(plan.options, terminal);
    }
  }
  await logToStandardError();
  for (const warning of plan.warnings) console.error(`barnabas: ${warning}`);
  const stopped = firstSignal();
  const start = new AbortController();
  const isStopped = stopped.then((signal) => {
    console.error(`barnabas: ${signal}: stopping; another one stops at once`);
    start.abort();
  });
  const broker = await startOrExplain({ config: plan.config, topics: plan.topics, signal: start.signal });
  if (broker === null) return start.signal.aborted ? 0 : 1;
  for (const address of broker.bootstrapServers.split(",")) console.log(banner(address, broker));
  const failure = broker.closed.then(() => null, (reason: unknown) => reason);
  const ended = await Promise.race([isStopped, failure.then((reason) => ({ reason }))]);
  if (ended !== undefined) return explain(ended.reason);
  await broker.close();
  return explain(await failure);
}

/** What the commands that start no broker write to. */
const terminal = {
  write(text: string): void {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  },
  explain: (line: string) => console.error(line),
  now: () => performance.now(),
};

/** @returns null if it could not start, with the reason on standard error */
async function startOrExplain(options: Parameters<typeof startBroker>[0]): Promise<Broker | null> {
  try {
    return await startBroker(options);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    if (options?.signal?.aborted !== true) console.error(`barnabas: ${error.message}`);
    return null;
  }
}

/** @returns the exit code for how the broker ended; null is a clean end */
function explain(reason: unknown): number {
  if (reason === null) return 0;
  console.error(`barnabas: ${textOf(reason)}`);
  return 1;
}

/** A sentence for a failure of the disk or of the cluster; for anything else, which is a bug, also where it happened. */
function textOf(reason: unknown): string {
  if (!(reason instanceof Error)) return String(reason);
  const isKnown = reason instanceof DiskFailure || reason instanceof ClusterFailure;
  return isKnown ? reason.message : reason.stack ?? reason.message;
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

/** Each record is written before the call returns, so that none is lost at an exit. */
async function logToStandardError(): Promise<void> {
  // Strings are printed without quotes.
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

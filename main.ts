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
import { type Broker, ClusterFailure, DiskFailure, startBroker, StartupError } from "./mod.ts";
import { log, ServiceManager, startLog } from "./net/mod.ts";
import { parseCommandLine } from "./partitions/config/command_line/command_line.ts";
import { VERSION } from "./partitions/config/version.ts";

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

type Plan = Extract<ReturnType<typeof parseCommandLine>, { kind: "run" }>;

async function main(args: string[]): Promise<number> {
  const plan = parseCommandLine(args, Deno.readTextFileSync);
  switch (plan.kind) {
    case "run":
      return await run(plan, args);
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
}

/** Runs a broker until it is stopped, or fails. @returns the exit code */
async function run({ config, topics, warnings }: Plan, args: readonly string[]): Promise<number> {
  const say = wordsOf(config.logFormat);
  await startLog(config, toStandardError);
  using manager = serviceManager();
  for (const warning of warnings) say.warn(warning);
  const stopped = firstSignal();
  const hangUps = new HangUps(args, { say, manager });
  const start = new AbortController();
  const isStopped = stopped.then((signal) => {
    say.inform(`${signal}: stopping; another one stops at once`);
    manager.stopping("Stopping");
    start.abort();
  });
  const onProgress = (sentence: string) => manager.starting(sentence);
  const broker = await startOrExplain({ config, topics, signal: start.signal, onProgress }, say);
  if (broker === null) return start.signal.aborted ? 0 : 1;
  hangUps.serve(broker);
  for (const address of broker.bootstrapServers.split(",")) say.greet(banner(address, broker));
  manager.ready(`Listening on ${broker.bootstrapServers}`);
  const failure = broker.closed.then(() => null, (reason: unknown) => reason);
  const ended = await Promise.race([isStopped, failure.then((reason) => ({ reason }))]);
  if (ended !== undefined) return explain(ended.reason, say);
  await broker.close();
  return explain(await failure, say);
}

/** The program's own words: on the terminal as they are, or lines of the log where that is for programs. */
type Words = Readonly<Record<"greet" | "inform" | "warn" | "complain", (text: string) => void>>;

function wordsOf(format: Plan["config"]["logFormat"]): Words {
  const { inform, warn, complain } = log.broker;
  if (format === "json") return { greet: inform, inform, warn, complain };
  const say = (text: string) => console.error(`barnabas: ${text}`);
  return { greet: console.log, inform: say, warn: say, complain: say };
}

/** What the commands that start no broker write to. */
const terminal = {
  write: (text: string) => writeTo(Deno.stdout, text),
  explain: (line: string) => console.error(line),
  now: () => performance.now(),
};

function toStandardError(line: string): void {
  writeTo(Deno.stderr, line);
}

function writeTo(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
}

/** Who has started the program. Processes that it starts itself, as an etcd, have nothing to tell there. */
function serviceManager(): ServiceManager {
  const socket = Deno.env.get("NOTIFY_SOCKET");
  Deno.env.delete("NOTIFY_SOCKET");
  return new ServiceManager({ socket, report: log.broker.warn });
}

/** @returns null if it could not start, with the reason on standard error */
async function startOrExplain(options: NonNullable<Parameters<typeof startBroker>[0]>, say: Words) {
  try {
    return await startBroker(options);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    if (options.signal?.aborted !== true) say.complain(error.message);
    return null;
  }
}

/** @returns the exit code for how the broker ended; null is a clean end */
function explain(reason: unknown, say: Words): number {
  if (reason === null) return 0;
  say.complain(textOf(reason));
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

/** SIGHUP: the settings are read again, once the broker runs. Without a listener it would end the process. */
class HangUps {
  readonly #args: readonly string[];
  readonly #say: Words;
  readonly #manager: ServiceManager;
  #broker: Broker | null = null;
  #last: Promise<void> = Promise.resolve();

  constructor(args: readonly string[], { say, manager }: { say: Words; manager: ServiceManager }) {
    this.#args = args;
    this.#say = say;
    this.#manager = manager;
    Deno.addSignalListener("SIGHUP", () => void (this.#last = this.#last.then(() => this.#reload())));
  }

  serve(broker: Broker): void {
    this.#broker = broker;
  }

  async #reload(): Promise<void> {
    if (this.#broker === null) {
      return this.#say.warn("SIGHUP: the broker is starting yet, with the settings as they were");
    }
    this.#manager.reloading("Reading the settings again");
    const status = await this.#read(this.#broker);
    this.#manager.ready(status);
  }

  /** @returns what came of it; the broker goes on with its settings after any failure */
  async #read(broker: Broker): Promise<string> {
    try {
      // Loaded now: its file may have been replaced since the start.
      const { reloadSentence, settingsNow } = await import("./partitions/config/command_line/settings_reload.ts");
      const settings = settingsNow(this.#args, Deno.readTextFileSync);
      const outcome = "refused" in settings ? settings : await broker.reload(settings.config);
      const sentence = reloadSentence(outcome);
      if ("refused" in outcome) this.#say.warn(sentence);
      else this.#say.inform(sentence);
      return sentence;
    } catch (error) {
      const sentence = `SIGHUP: the settings stay as they are: ${error instanceof Error ? error.message : error}`;
      this.#say.warn(sentence);
      return sentence;
    }
  }
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

Deno.exit(await main(Deno.args));

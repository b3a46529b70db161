/**
 * Parses the command line. Flags override `--override`, which overrides the file of `--config`. Pure, except for the file reader that it
 * is given; the main isolate runs it before anything else starts.
 */
import type { BrokerConfig } from "../broker/broker_config.ts";
import { brokerDefinitions } from "../broker/broker_definitions.ts";
import { brokerConfigFrom, type BrokerFlags, refuseUnknownSetting } from "../broker/broker_properties.ts";
import { shownSetting } from "../broker/hidden_values.ts";
import { helpText } from "./help_text.ts";
import { nearestName } from "../nearest_name.ts";
import { parseProperties } from "../properties.ts";
import { parseRaise, RAISE_HELP, type RaiseOptions } from "./raise_options.ts";
import { parseTopicOption, splitAtEquals, type TopicOption } from "./topic_option.ts";
import { topicDefinitions } from "../topics/topic_definitions.ts";
import { VERSION } from "../version.ts";

export { brokerConfigFrom } from "../broker/broker_properties.ts";

/** What the program has to do. */
export type CommandLine =
  | {
    readonly kind: "run";
    readonly config: BrokerConfig;
    readonly topics: TopicOption[];
    /** Sentences for the user, before the broker starts. */
    readonly warnings: string[];
  }
  | { readonly kind: "help" | "version"; readonly text: string }
  /** Prints what a file of a partition holds. */
  | { readonly kind: "dump"; readonly path: string }
  /** Reads a log directory and reports damage. */
  | { readonly kind: "verify"; readonly path: string }
  /** Gives partitions of a running cluster more replicas. */
  | { readonly kind: "raise"; readonly options: RaiseOptions }
  | { readonly kind: "refused"; readonly message: string };

/** Flags that take a value and may be given once. */
const SINGLE_FLAGS = [
  ...["--port", "--host", "--data", "--shards", "--config"],
  ...["--node-id", "--etcd", "--rack", "--http"],
];
/** Flags that take a value and may be repeated. */
const REPEATED_FLAGS = ["--override", "--topic"] as const;
const PLAIN_FLAGS = ["--help", "--version"] as const;
const ALL_FLAGS: readonly string[] = [...SINGLE_FLAGS, ...REPEATED_FLAGS, ...PLAIN_FLAGS];

/** Names of flags in other tools, with ours. */
const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ["-h", "--help"],
  ["-V", "--version"],
  ["-p", "--port"],
  ["--bind", "--host"],
  ["--data-dir", "--data"],
  ["--log-dirs", "--data"],
  ["--properties", "--config"],
  ["--threads", "--shards"],
  ["--smp", "--shards"],
  ["--broker-id", "--node-id"],
  ["--id", "--node-id"],
  ["--metrics", "--http"],
  ["--http-port", "--http"],
]);

/** Kafka's node.id is an INT. */
const NODE_ID_MAX = 2 ** 31 - 1;

interface Flags {
  readonly single: Map<string, string>;
  readonly overrides: string[];
  readonly topics: string[];
  /** "--help" or "--version", if one of them was given. */
  readonly plain: string | null;
}

/**
 * Parses the command line.
 * @param args arguments without the program's name
 * @param readText reads the file of `--config`; the message of its error becomes part of the refusal
 */
export function parseCommandLine(args: readonly string[], readText: (path: string) => string): CommandLine {
  if (args[0] === "dump") return parseDump(args.slice(1));
  if (args[0] === "verify") return parseVerify(args.slice(1));
  if (args[0] === "cluster") return parseCluster(args.slice(1));
  const flags = readFlags(args);
  if ("refused" in flags) return refused(flags.refused);
  if (flags.plain === "--help") return { kind: "help", text: helpText() };
  if (flags.plain === "--version") return { kind: "version", text: `Barnabas ${VERSION}` };
  const properties = collectProperties(flags, readText);
  if ("refused" in properties) return refused(properties.refused);
  const options = readOptions(flags.single);
  if ("refused" in options) return refused(options.refused);
  const topics: TopicOption[] = [];
  for (const text of flags.topics) {
    const topic = parseTopicOption(text);
    if ("refused" in topic) return refused(`--topic ${text}: ${topic.refused}`);
    if (topics.some(({ name }) => name === topic.name)) return refused(`--topic ${topic.name} is given twice`);
    topics.push(topic);
  }
  const result = brokerConfigFrom(properties.merged, options);
  if ("refused" in result) return refused(result.refused);
  return {
    kind: "run",
    config: result.config,
    topics,
    warnings: warningsOf(result, topics, flags.single.get("--config")),
  };
}

/** `dump FILE` */
function parseDump(args: readonly string[]): CommandLine {
  const [path] = args;
  if (path === "--help" || path === "-h") return { kind: "help", text: helpText() };
  if (path === undefined || path.startsWith("-") || args.length > 1) {
    return refused("dump takes one file: main.ts dump DIR/orders-0/00000000000000000000.log");
  }
  return { kind: "dump", path };
}

/** `verify --data DIR` */
function parseVerify(args: readonly string[]): CommandLine {
  const flags = readFlags(args);
  if ("refused" in flags) return refused(`verify: ${flags.refused}`);
  if (flags.plain === "--help") return { kind: "help", text: helpText() };
  const path = flags.single.get("--data");
  if (path === undefined || flags.single.size > 1 || flags.overrides.length + flags.topics.length > 0) {
    return refused("verify takes one directory: main.ts verify --data DIR");
  }
  return { kind: "verify", path };
}

/** `cluster raise …` */
function parseCluster([command, ...args]: readonly string[]): CommandLine {
  if ([command, ...args].some((argument) => argument === "--help" || argument === "-h")) {
    return { kind: "help", text: RAISE_HELP };
  }
  if (command !== "raise") return refused("cluster takes one command: main.ts cluster raise --help");
  const options = parseRaise(args);
  return "refused" in options ? refused(`cluster raise: ${options.refused}`) : { kind: "raise", options };
}

function refused(message: string): CommandLine {
  return { kind: "refused", message };
}

function readFlags(args: readonly string[]): Flags | { refused: string } {
  const flags = { single: new Map<string, string>(), overrides: [] as string[], topics: [] as string[] };
  for (let at = 0; at < args.length; at++) {
    const [flag, inline] = splitFlag(args[at] ?? "");
    if ((PLAIN_FLAGS as readonly string[]).includes(flag) || ["-h", "-V"].includes(flag)) {
      return { ...flags, plain: SYNONYMS.get(flag) ?? flag };
    }
    if (!ALL_FLAGS.includes(flag)) return { refused: unknownFlag(args[at] ?? "") };
    const value = inline ?? args[++at];
    if (value === undefined || value === "" || (inline === null && ALL_FLAGS.includes(value))) {
      return { refused: `${flag} needs a value; see --help` };
    }
    if (flag === "--override") flags.overrides.push(value);
    else if (flag === "--topic") flags.topics.push(value);
    else if (flags.single.has(flag)) return { refused: `${flag} is given twice` };
    else flags.single.set(flag, value);
  }
  return { ...flags, plain: null };
}

/** Splits "--flag=value"; the value of "--flag" is null. */
function splitFlag(argument: string): [string, string | null] {
  const at = argument.startsWith("--") ? argument.indexOf("=") : -1;
  return at < 0 ? [argument, null] : [argument.slice(0, at), argument.slice(at + 1)];
}

function unknownFlag(argument: string): string {
  if (!argument.startsWith("-")) {
    const hint = argument.endsWith(".properties") ? `; did you mean --config ${argument}?` : "; see --help";
    return `"${argument}" is not a flag${hint}`;
  }
  const [flag] = splitFlag(argument);
  const nearest = SYNONYMS.get(flag) ?? nearestName(flag, ALL_FLAGS);
  return `there is no flag ${flag}${nearest === null ? "; see --help" : `; did you mean ${nearest}?`}`;
}

function readOptions(single: ReadonlyMap<string, string>): BrokerFlags | { refused: string } {
  const [port, shards, nodeId] = [single.get("--port"), single.get("--shards"), single.get("--node-id")];
  const http = single.get("--http");
  for (const [flag, text] of [["--port", port], ["--http", http]]) {
    if (text !== undefined && !(/^\d{1,5}$/.test(text) && Number(text) <= 65535)) {
      return { refused: `${flag} ${text}: a port is a number from 0 to 65535 (0 picks a free one)` };
    }
  }
  if (shards !== undefined && !(/^\d{1,2}$/.test(shards) && Number(shards) <= 64)) {
    return { refused: `--shards ${shards}: a number of shards is from 1 to 64, or 0 for one per core` };
  }
  if (nodeId !== undefined && !(/^\d{1,10}$/.test(nodeId) && Number(nodeId) <= NODE_ID_MAX)) {
    return { refused: `--node-id ${nodeId}: the number of a broker is from 0 to ${NODE_ID_MAX}` };
  }
  return {
    ...port === undefined ? {} : { port: Number(port) },
    ...shards === undefined ? {} : { shards: Number(shards) },
    ...single.has("--host") ? { host: single.get("--host") } : {},
    ...nodeId === undefined ? {} : { nodeId: Number(nodeId) },
    ...single.has("--etcd") ? { etcd: single.get("--etcd") } : {},
    ...single.has("--rack") ? { rack: single.get("--rack") } : {},
    ...http === undefined ? {} : { http: Number(http) },
    ...single.has("--data") ? { dataDir: single.get("--data") } : {},
  };
}

/** The properties of the file, with the overrides applied. */
function collectProperties(
  flags: Flags,
  readText: (path: string) => string,
): { merged: Map<string, string> } | { refused: string } {
  const merged = new Map<string, string>();
  const path = flags.single.get("--config");
  if (path !== undefined) {
    const parsed = readProperties(path, readText);
    if ("refused" in parsed) return parsed;
    for (const [name, value] of parsed.properties) merged.set(name, value);
  }
  for (const override of flags.overrides) {
    const [name, value] = splitAtEquals(override);
    const shown = shownSetting(override, brokerDefinitions);
    if (value === null) return { refused: `--override ${shown}: write key=value` };
    const unknown = refuseUnknownSetting(name);
    if (unknown !== null) return { refused: `--override ${shown}: ${unknown}` };
    merged.set(name, value);
  }
  return { merged };
}

function readProperties(path: string, readText: (path: string) => string): ReturnType<typeof parseProperties> {
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    return { refused: `Cannot read --config ${path}: ${error instanceof Error ? error.message : String(error)}` };
  }
  const parsed = parseProperties(text);
  return "refused" in parsed ? { refused: `Cannot read --config ${path}: ${parsed.refused}` } : parsed;
}

/** At most one sentence for each kind: settings that are not used, and settings without effect so far. */
function warningsOf(
  result: { unused: string[]; withoutEffect: string[] },
  ...[topics, path]: [TopicOption[], string | undefined]
): string[] {
  const warnings: string[] = [];
  if (result.unused.length > 0) warnings.push(`not used from ${path}: ${result.unused.join(", ")}`);
  const topicConfigs = topics.flatMap(({ configs = {} }) => Object.keys(configs));
  const later = topicConfigs.filter((name) => topicDefinitions.get(name)?.effect === "later");
  const withoutEffect = [...new Set([...result.withoutEffect, ...later])];
  if (withoutEffect.length > 0) warnings.push(`stored, but without effect so far: ${withoutEffect.join(", ")}`);
  return warnings;
}

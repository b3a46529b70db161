/**
 * Parses `main.ts cluster raise`: which partitions of a running cluster get more replicas. Pure; the main isolate.
 */
import { nearestName } from "../nearest_name.ts";

/** An address of a broker. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** What is to be raised. */
export interface RaiseOptions {
  /** Brokers to begin with; at least one. */
  readonly servers: readonly ServerAddress[];
  /** Replicas that each partition has at least, afterwards. */
  readonly replicationFactor: number;
  /** Names of topics; null for all, internal ones included. */
  readonly topics: readonly string[] | null;
  /** Whether it only says what it would do. */
  readonly isDryRun: boolean;
}

/** The text of `cluster raise --help`, at most 80 columns wide. */
export const RAISE_HELP = `Usage: deno run -A main.ts cluster raise --bootstrap-server HOST:PORT
           --replication-factor N (--all | --topics NAME[,NAME...]) [--dry-run]

Gives partitions of a running cluster more replicas, on brokers that are active,
spread over racks, and waits until all are in sync. Partitions that have as many
already are left alone, so the same command continues where one has ended.

  --bootstrap-server HOST:PORT[,HOST:PORT...]   brokers of the cluster
  --replication-factor N                        replicas that each has at least
  --all                                         of all topics, internal ones too
  --topics NAME[,NAME...]                       of these topics
  --dry-run                                     only says what it would do

It ends with 0 when every partition has as many replicas, else with 1.
`;

const VALUE_FLAGS = ["--bootstrap-server", "--replication-factor", "--topics"];
const PLAIN_FLAGS = ["--all", "--dry-run"];
const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):(\d{1,5})$/;
const PORT_MAX = 65535;
/** Kafka's replication factors are 16 bits. */
const FACTOR_MAX = 32_767;

/** Parses the arguments behind `cluster raise`. */
export function parseRaise(args: readonly string[]): RaiseOptions | { readonly refused: string } {
  const values = new Map<string, string>();
  const plain = new Set<string>();
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] as string;
    const equals = argument.indexOf("=");
    const flag = equals < 0 ? argument : argument.slice(0, equals);
    if (PLAIN_FLAGS.includes(flag) && equals < 0) plain.add(flag);
    else if (!VALUE_FLAGS.includes(flag)) return { refused: unknownFlag(argument) };
    else if (values.has(flag)) return { refused: `${flag} is given twice` };
    else {
      const value = equals < 0 ? args[++at] : argument.slice(equals + 1);
      if (value === undefined || value === "") return { refused: `${flag} needs a value` };
      values.set(flag, value);
    }
  }
  return optionsOf(values, plain);
}

function optionsOf(values: ReadonlyMap<string, string>, plain: ReadonlySet<string>): ReturnType<typeof parseRaise> {
  const servers: ServerAddress[] = [];
  for (const text of values.get("--bootstrap-server")?.split(",") ?? []) {
    const [, host, port] = ADDRESS.exec(text) ?? [];
    if (host === undefined || Number(port) > PORT_MAX) {
      return { refused: `--bootstrap-server ${text}: an address is HOST:PORT` };
    }
    servers.push({ host: host.replace(/^\[|\]$/g, ""), port: Number(port) });
  }
  if (servers.length === 0) {
    return { refused: "--bootstrap-server HOST:PORT is missing: it names a broker of the cluster" };
  }
  const factor = values.get("--replication-factor");
  if (factor === undefined) return { refused: "--replication-factor N is missing" };
  const replicationFactor = /^\d{1,5}$/.test(factor) ? Number(factor) : 0;
  if (replicationFactor < 1 || replicationFactor > FACTOR_MAX) {
    return { refused: `--replication-factor ${factor}: a number of replicas is from 1 to ${FACTOR_MAX}` };
  }
  const named = values.get("--topics");
  if ((named === undefined) === !plain.has("--all")) {
    return { refused: "either --all or --topics NAME[,NAME...] is needed" };
  }
  const topics = named === undefined ? null : [...new Set(named.split(",").filter((name) => name !== ""))];
  return { servers, replicationFactor, topics, isDryRun: plain.has("--dry-run") };
}

function unknownFlag(argument: string): string {
  const nearest = nearestName(argument, [...VALUE_FLAGS, ...PLAIN_FLAGS]);
  return `there is no flag ${argument}${nearest === null ? "" : `; did you mean ${nearest}?`}`;
}

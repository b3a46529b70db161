/**
 * `main.ts cluster raise`: gives partitions of a running cluster more replicas, for one that began as a single broker. It asks a broker
 * for all partitions, chooses brokers (raised_partitions.ts), begins reassignments (KIP-455), a number of them at a time, and watches them until
 * all replicas are in sync. Main isolate of a process without a broker. Loaded only for this command.
 *
 * Exit codes: 0 every partition has as many replicas · 1 one has not, or no broker answers. What is under way goes on when the command ends.
 * The same command continues, because partitions that have enough replicas, or will have, are left alone.
 */
import { firstNames } from "../../storage/base/first_names.ts";
import { errorCode, errorName } from "../../net/protocol/error_codes.ts";
import { metadataRequest, metadataResponse } from "../../net/protocol/messages/03_metadata.ts";
import {
  alterPartitionReassignmentsRequest,
  alterPartitionReassignmentsResponse,
} from "../../net/protocol/messages/45_alter_partition_reassignments.ts";
import {
  listPartitionReassignmentsRequest,
  listPartitionReassignmentsResponse,
} from "../../net/protocol/messages/46_list_partition_reassignments.ts";
import { ChannelRefused } from "../cluster/broker_channel.ts";
import { type MembershipTime, pauseFor, systemTime } from "../cluster/membership/membership_time.ts";
import type { RaiseOptions } from "../config/command_line/raise_options.ts";
import { ClusterClient } from "./cluster_client.ts";
import { type ListedBroker, type ListedPartition, raisedPartitions } from "./raised_partitions.ts";

/** The output of the command. */
export interface RaiseTerminal {
  /** Writes to standard output, whole. */
  write(text: string): void;
  /** Writes a line to standard error. */
  explain(line: string): void;
}

/** Partitions whose new replicas are filled at a time: each of them costs its leader reads and the network bytes. */
const UNDER_WAY_MAX = 100;
const POLL_MS = 200;
/** Time between two lines of progress. */
const PROGRESS_MS = 1000;
/** Time without any change until the command says so. */
const STALLED_MS = 30_000;
/** A reassignment has ended when so many answers in a row do not name it: the next broker that is asked may hear of it a moment later. */
const ABSENT_MIN = 2;
const TIMEOUT_MS = 30_000;

// Versions that every broker since Kafka 2.8 has.
const metadata = { name: "Metadata", version: 9, request: metadataRequest, response: metadataResponse };
const alter = {
  name: "AlterPartitionReassignments",
  version: 0,
  request: alterPartitionReassignmentsRequest,
  response: alterPartitionReassignmentsResponse,
};
const list = {
  name: "ListPartitionReassignments",
  version: 0,
  request: listPartitionReassignmentsRequest,
  response: listPartitionReassignmentsResponse,
};

/** What is known of the cluster. */
interface Seen {
  readonly brokers: readonly ListedBroker[];
  readonly partitions: readonly ListedPartition[];
}

/** A sentence for the operator: the command ends with it. */
class RaiseError extends Error {}

/** Runs the command. @returns the exit code */
export async function raise(
  options: RaiseOptions,
  terminal: RaiseTerminal,
  time: MembershipTime = systemTime,
): Promise<number> {
  using client = new ClusterClient(options.servers, time);
  try {
    return await new Raise(client, { options, terminal, time }).run();
  } catch (error) {
    if (!(error instanceof RaiseError || error instanceof ChannelRefused)) throw error;
    terminal.explain(`barnabas: ${error.message}`);
    return 1;
  }
}

/** One run. */
class Raise {
  readonly #client: ClusterClient;
  readonly #options: RaiseOptions;
  readonly #terminal: RaiseTerminal;
  readonly #time: MembershipTime;
  #saidMs = -Infinity;
  #changedMs = 0;
  #last = "";

  constructor(client: ClusterClient, of: { options: RaiseOptions; terminal: RaiseTerminal; time: MembershipTime }) {
    this.#client = client;
    this.#options = of.options;
    this.#terminal = of.terminal;
    this.#time = of.time;
  }

  async run(): Promise<number> {
    const { replicationFactor, isDryRun } = this.#options;
    const seen = await this.#look();
    this.#check(seen);
    const raised = raisedPartitions(seen.partitions, this.#options, seen.brokers);
    if (raised.length === 0) {
      this.#say(`No partition has fewer than ${replicationFactor} replicas, or will have: nothing is to be done`);
      return 0;
    }
    if (isDryRun) return this.#describe(raised, seen);
    const refused = await this.#carryOut(raised);
    const missing = refused === 0 ? await this.#missing(raised) : [];
    if (missing.length > 0) {
      this.#terminal.explain(
        `barnabas: fewer than ${replicationFactor} replicas have ${
          firstNames(missing.map(nameOf))
        }: their reassignment was cancelled, or they were deleted`,
      );
    }
    if (refused + missing.length > 0) return 1;
    this.#say(`Done: ${count(raised)} with ${replicationFactor} replicas, all in sync`);
    return 0;
  }

  /** @throws RaiseError when the cluster cannot have what is asked for */
  #check({ brokers, partitions }: Seen): void {
    const { replicationFactor, topics } = this.#options;
    const known = new Set(partitions.map(({ topic }) => topic));
    const unknown = (topics ?? []).filter((topic) => !known.has(topic));
    if (unknown.length > 0) throw new RaiseError(`The cluster has no topic ${firstNames(unknown)}`);
    if (brokers.length >= replicationFactor) return;
    throw new RaiseError(
      `${replicationFactor} replicas need as many brokers, and ${brokers.length} of the cluster's are active: start more brokers first`,
    );
  }

  #describe(raised: readonly ListedPartition[], { partitions }: Seen): number {
    const before = new Map(partitions.map((one) => [nameOf(one), one.replicas]));
    for (const one of raised) {
      this.#say(`${nameOf(one)}: from ${before.get(nameOf(one))?.join(",")} to ${one.replicas.join(",")}`);
    }
    return 0;
  }

  /** Begins the reassignments, and waits until none is under way. @returns how many were refused */
  async #carryOut(raised: readonly ListedPartition[]): Promise<number> {
    const { replicationFactor } = this.#options;
    this.#say(
      `Raising ${count(raised)} to ${replicationFactor} replicas; what has begun goes on when this command ends`,
    );
    const waiting = [...raised];
    /** How often in a row each was not listed. */
    const underWay = new Map<string, number>();
    let refused = 0;
    while (waiting.length > 0 || underWay.size > 0) {
      const next = waiting.splice(0, UNDER_WAY_MAX - underWay.size);
      if (next.length > 0) {
        const refusals = await this.#begin(next);
        refused += refusals.size;
        for (const one of next) if (!refusals.has(nameOf(one))) underWay.set(nameOf(one), 0);
      }
      const listed = await this.#listed();
      for (const [name, absent] of underWay) {
        if (listed.has(name)) underWay.set(name, 0);
        else if (absent + 1 < ABSENT_MIN) underWay.set(name, absent + 1);
        else underWay.delete(name);
      }
      this.#progress(raised.length - refused, { waiting: waiting.length, underWay: [...underWay.keys()] });
      if (underWay.size > 0) await pauseFor(this.#time, POLL_MS);
    }
    return refused;
  }

  /** @returns the names of those that are refused */
  async #begin(partitions: readonly ListedPartition[]): Promise<ReadonlySet<string>> {
    const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([name, ofTopic]) => ({
      name,
      partitions: ofTopic.map(({ partition, replicas }) => ({ partitionIndex: partition, replicas: [...replicas] })),
    }));
    const answer = await this.#client.ask(alter, { timeoutMs: TIMEOUT_MS, topics });
    expectNone(alter.name, answer);
    const refused = new Set<string>();
    for (const { name: topic, partitions: results } of answer.responses) {
      for (const { partitionIndex: partition, errorCode: code, errorMessage } of results) {
        if (code === errorCode.NONE) continue;
        refused.add(nameOf({ topic, partition }));
        this.#terminal.explain(
          `barnabas: ${topic}-${partition} is refused with ${errorName(code)}: ${errorMessage ?? ""}`,
        );
      }
    }
    return refused;
  }

  /** The names of all partitions that are being reassigned. */
  async #listed(): Promise<ReadonlySet<string>> {
    const answer = await this.#client.ask(list, { timeoutMs: TIMEOUT_MS, topics: null });
    expectNone(list.name, answer);
    return new Set(
      answer.topics.flatMap(({ name: topic, partitions }) =>
        partitions.map(({ partitionIndex: partition }) => nameOf({ topic, partition }))
      ),
    );
  }

  async #missing(raised: readonly ListedPartition[]): Promise<ListedPartition[]> {
    const { partitions } = await this.#look();
    const counts = new Map(partitions.map((one) => [nameOf(one), one.replicas.length]));
    return raised.filter((one) => (counts.get(nameOf(one)) ?? 0) < this.#options.replicationFactor);
  }

  async #look(): Promise<Seen> {
    const [answer, listed] = [
      await this.#client.ask(metadata, { topics: null, allowAutoTopicCreation: false }),
      await this.#client.ask(list, { timeoutMs: TIMEOUT_MS, topics: null }),
    ];
    expectNone(list.name, listed);
    const leaving = new Map(
      listed.topics.flatMap(({ name: topic, partitions }) =>
        partitions.map(({ partitionIndex: partition, removingReplicas }) =>
          [nameOf({ topic, partition }), removingReplicas] as const
        )
      ),
    );
    const partitions = answer.topics.flatMap(({ name, partitions: ofTopic }) =>
      ofTopic.map(({ partitionIndex: partition, replicaNodes }): ListedPartition => {
        const topic = name ?? "";
        const removing = leaving.get(nameOf({ topic, partition })) ?? [];
        return { topic, partition, replicas: replicaNodes.filter((broker) => !removing.includes(broker)) };
      })
    );
    return { brokers: answer.brokers.map(({ nodeId, rack }) => ({ nodeId, rack })), partitions };
  }

  #progress(total: number, { waiting, underWay }: { waiting: number; underWay: readonly string[] }): void {
    const nowMs = this.#time.clock.monotonicMs();
    if (nowMs - this.#saidMs < PROGRESS_MS || underWay.length === 0) return;
    const line = `${total - waiting - underWay.length} of ${total} done; under way: ${firstNames(underWay)}`;
    if (line !== this.#last) {
      this.#say(line);
      this.#saidMs = this.#changedMs = nowMs;
    } else if (nowMs - this.#changedMs >= STALLED_MS) {
      this.#say("Nothing has changed for 30 s: a broker that gets replicas may be away, or has much to fetch");
      this.#changedMs = nowMs;
    }
    this.#last = line;
  }

  #say(line: string): void {
    this.#terminal.write(`${line}\n`);
  }
}

function expectNone(name: string, answer: { readonly errorCode: number; readonly errorMessage: string | null }): void {
  const { errorCode: code, errorMessage } = answer;
  if (code !== errorCode.NONE) {
    throw new RaiseError(`${name} was refused with ${errorName(code)}: ${errorMessage ?? ""}`);
  }
}

function nameOf({ topic, partition }: Pick<ListedPartition, "topic" | "partition">): string {
  return `${topic}-${partition}`;
}

function count({ length }: readonly unknown[]): string {
  return length === 1 ? "1 partition" : `${length} partitions`;
}

/**
 * Plays scenarios against a broker and records its answers. A scenario is a function that sends requests through its own clients and
 * takes what it needs from the answers; each answer becomes a line of the recording. Main isolate of a test.
 *
 * Always: each scenario uses its own groups and only reads what it shares with others, so that they can run in any order.
 */
import { createTopicsRequest, createTopicsResponse } from "../../../net/protocol/messages/19_create_topics.ts";
import { metadataRequest, metadataResponse } from "../../../net/protocol/messages/03_metadata.ts";
import { decodeResponseHeader } from "../../../net/protocol/headers.ts";
import { Reader } from "../../../net/protocol/reader.ts";
import { waitFor } from "../../../bench/peer/processes.ts";
import { frameOf, KafkaClient } from "../../kafka_client.ts";
import { describeGroups, findCoordinator, type GroupApi } from "./apis.ts";
import { Normaliser } from "./normalise.ts";

/** What a broker answered in a step of a scenario. */
export interface Line {
  readonly scenario: string;
  /** From 1. */
  readonly step: number;
  /** "JoinGroup v9" */
  readonly request: string;
  /** Normalised; a string if there was no answer. */
  readonly answer: unknown;
}

/** A script that is played against both brokers. */
export interface Scenario {
  readonly name: string;
  run(session: Session): Promise<void>;
}

/** Settings of both brokers: small bounds make scenarios about time short. */
export const SETTINGS: Readonly<Record<string, string>> = {
  "auto.create.topics.enable": "false",
  "group.initial.rebalance.delay.ms": "0",
  "group.min.session.timeout.ms": "500",
  "group.max.session.timeout.ms": "60000",
  "group.max.size": "4",
  "group.consumer.max.size": "4",
  "group.consumer.min.session.timeout.ms": "500",
  "group.consumer.assignment.interval.ms": "0",
};

/** Topics of all scenarios with their partition counts. */
export const TOPICS = { "diff-one": 1, "diff-three": 3, "diff-six": 6 } as const;

/** Longest wait for an answer; no scenario makes a request wait longer than 2 s. */
const PATIENCE_MS = 8000;

/** An answer that is still to come. */
export interface Pending<Response> {
  /** Waits for it and records it. */
  answer(): Promise<Response>;
}

/** One client of a scenario: a connection and a client id. */
export class Client {
  readonly #session: Session;
  readonly #connection: KafkaClient;
  readonly #clientId: string | null;
  #correlationId = 0;

  constructor(of: { session: Session; connection: KafkaClient; clientId: string | null }) {
    this.#session = of.session;
    this.#connection = of.connection;
    this.#clientId = of.clientId;
  }

  /** Sends a request and records its answer. */
  async call<E, D>(api: GroupApi<E, D>, version: number, request: E): Promise<D> {
    return (await this.send(api, version, request)).answer();
  }

  /** Sends a request whose answer comes later: a JoinGroup that waits for others. */
  async send<E, D>(api: GroupApi<E, D>, version: number, request: E): Promise<Pending<D>> {
    const take = await this.#send(api, version, request);
    return { answer: async () => this.#session.write(`${api.name} v${version}`, await take()) };
  }

  /** Repeats a request until its answer fulfils a condition, and records that answer. */
  async until<E, D>(
    api: GroupApi<E, D>,
    version: number,
    of: { readonly request: E; readonly is: (answer: D) => boolean },
  ): Promise<D> {
    let last: D | undefined;
    try {
      await waitFor(`${api.name} v${version}`, async () => {
        last = await (await this.#send(api, version, of.request))();
        return of.is(last) || undefined;
      }, PATIENCE_MS);
    } catch (error) {
      if (last === undefined) throw error; // else the last answer is recorded
    }
    return this.#session.write(`${api.name} v${version}`, last!);
  }

  async #send<E, D>(api: GroupApi<E, D>, version: number, request: E): Promise<() => Promise<D>> {
    const header = { apiVersion: version, correlationId: ++this.#correlationId, clientId: this.#clientId };
    await this.#connection.sendRaw(frameOf(api.request, header, request));
    return async () => {
      const frame = await this.#receive(`${api.name} v${version}`);
      const reader = new Reader(frame);
      decodeResponseHeader(reader, api.response, version);
      const response = api.response.decode(reader, version);
      if (reader.failure !== null || reader.remaining > 0) {
        throw new Error(`Cannot decode the answer to ${api.name} v${version}: ${reader.failure ?? "bytes follow"}`);
      }
      return response;
    };
  }

  async #receive(request: string): Promise<Uint8Array> {
    const timer = setTimeout(() => this.#connection[Symbol.dispose](), PATIENCE_MS);
    try {
      const frame = await this.#connection.receiveFrame();
      if (frame !== null) return frame;
      this.#session.write(request, "the broker closed the connection");
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) throw error;
      this.#session.write(request, `no answer within ${PATIENCE_MS} ms`);
    } finally {
      clearTimeout(timer);
    }
    throw new NoAnswer(request);
  }
}

/** Thrown when the broker did not answer; the recording says so. */
class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** A scenario that is being played. */
export class Session implements Disposable {
  readonly lines: Line[] = [];
  readonly #scenario: string;
  readonly #port: number;
  readonly #topicIds: ReadonlyMap<string, string>;
  readonly #normaliser: Normaliser;
  readonly #connections: KafkaClient[] = [];

  constructor(of: { scenario: string; port: number; topicIds: ReadonlyMap<string, string> }) {
    this.#scenario = of.scenario;
    this.#port = of.port;
    this.#topicIds = of.topicIds;
    this.#normaliser = new Normaliser(new Map([...of.topicIds].map(([topic, id]) => [id, `<id of ${topic}>`])));
  }

  /** A group id that no other scenario uses. */
  group(name = "g"): string {
    return `${this.prefix}${name}`;
  }

  /** Prefix of the ids of this scenario's groups. */
  get prefix(): string {
    return `${this.#scenario.replaceAll(/[^a-zA-Z0-9]+/g, "-")}.`;
  }

  /** Id of one of `TOPICS`. */
  topicId(topic: keyof typeof TOPICS): string {
    return this.#topicIds.get(topic)!;
  }

  /** A client on its own connection. */
  async client(clientId: string | null = "client"): Promise<Client> {
    const connection = await KafkaClient.connect({ port: this.#port });
    this.#connections.push(connection);
    return new Client({ session: this, connection, clientId });
  }

  /** Records an answer. @returns it, unchanged */
  write<D>(request: string, answer: D): D {
    const normalised = this.#normaliser.normalise(this.#ownGroups(answer));
    this.lines.push({ scenario: this.#scenario, step: this.lines.length + 1, request, answer: normalised });
    return answer;
  }

  /** Removes the groups of other scenarios from an answer to ListGroups. */
  #ownGroups<D>(answer: D): D {
    const { groups } = answer as { groups?: readonly { groupId?: string; members?: unknown }[] };
    if (!Array.isArray(groups) || groups.some((group) => "members" in group || "topics" in group)) return answer;
    return { ...answer, groups: groups.filter(({ groupId }) => groupId?.startsWith(this.prefix)) };
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections) connection[Symbol.dispose]();
  }
}

/**
 * Plays scenarios one after the other.
 * @param port of a broker on 127.0.0.1 with `SETTINGS` and no other clients
 */
export async function play(port: number, scenarios: readonly Scenario[]): Promise<Line[]> {
  const topicIds = await prepare(port);
  const lines: Line[] = [];
  for (const scenario of scenarios) {
    using session = new Session({ scenario: scenario.name, port, topicIds });
    try {
      await scenario.run(session);
    } catch (error) {
      // The answers so far are compared all the same, although the script could not continue.
      if (!(error instanceof NoAnswer)) session.write("script", `stopped: ${error}`);
    }
    lines.push(...session.lines);
  }
  return lines;
}

/** Creates the topics and waits until all coordinators serve. @returns topic ids by name */
async function prepare(port: number): Promise<ReadonlyMap<string, string>> {
  using client = await KafkaClient.connect({ port });
  const topics = Object.entries(TOPICS).map(([name, numPartitions]) => ({
    name,
    numPartitions,
    replicationFactor: 1,
    assignments: [],
    configs: [],
  }));
  await client.call(createTopicsRequest, createTopicsResponse, {
    apiVersion: 7,
    value: { topics, timeoutMs: 10_000, validateOnly: false },
  });
  const ids = await waitFor("the topics have leaders", async () => {
    const { topics } = await client.call(metadataRequest, metadataResponse, {
      apiVersion: 13,
      value: { topics: Object.keys(TOPICS).map((name) => ({ name })), allowAutoTopicCreation: false },
    });
    const ready = topics.every(({ errorCode, partitions }) => errorCode === 0 && partitions.length > 0);
    return ready ? new Map(topics.map(({ name, topicId }) => [name!, topicId])) : undefined;
  });
  await waitFor("the coordinators are at work", () => coordinatorsReady(port));
  return ids;
}

/** Enough group ids to reach all 50 partitions of the offsets topic. */
const PROBES = 500;

async function coordinatorsReady(port: number): Promise<true | undefined> {
  using session = new Session({ scenario: "ready", port, topicIds: new Map() });
  const client = await session.client();
  const groups = Array.from({ length: PROBES }, (_, index) => session.group(String(index)));
  await client.call(findCoordinator, 4, { keyType: 0, coordinatorKeys: groups });
  const described = await client.call(describeGroups, 5, { groups });
  return described.groups.every(({ errorCode }) => errorCode === 0) || undefined;
}

/**
 * Fixtures for tests of handlers: an exchange that encodes the answer as on the wire and decodes it again, and
 * services over an image and a control plane whose answers the test gives. Tests only.
 */
import assert from "node:assert/strict";
import { brokerConfigFrom } from "../../partitions/config/broker/broker_properties.ts";
import { resolveLogConfig } from "../../partitions/config/topics/topic_configs.ts";
import type { ControlCallName, ControlCalls, ControlFailure } from "../../partitions/metadata/control_calls.ts";
import { type BrokerImage, MetadataImage, type TopicImage } from "../../partitions/metadata/image.ts";
import { onlyBroker } from "../../partitions/metadata/controller_loading.ts";
import type { AnswerWaiter, Question, ShardPartitions } from "../../partitions/mod.ts";
import { isInternalTopic } from "../../partitions/metadata/topic_names.ts";
import { ClusterView } from "../requests/cluster_view.ts";
import { AuthenticationOnDemand } from "../requests/authentication/authentication.ts";
import { type ConnectionContext, newContext } from "../requests/connection_context.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import type { Api } from "../protocol/api.ts";
import { Reader } from "../protocol/reader.ts";
import { Writer } from "../protocol/writer.ts";
import { type GivenServices, servicesOf } from "../requests/services_testing.ts";
import { allAtOnce } from "../requests/slices_testing.ts";
import { apiOf } from "./api_testing.ts";
import { apis } from "./mod.ts";

/** Topic ids for tests. */
export const TOPIC_ID = "MTIzNDU2Nzg5MDEyMzQ1Ng";
/** Another topic id. */
export const OTHER_TOPIC_ID = "YWFhYWFhYWFhYWFhYWFhYQ";

/** A connection. */
export function context(changes: Partial<ConnectionContext> = {}): ConnectionContext {
  const ends = { listenerName: "PLAINTEXT", localHost: "192.0.2.7", localPort: 19092, peerHost: "127.0.0.1" };
  return { ...newContext(ends), clientId: "test", ...changes };
}

/** A call of the control plane that waits for its answer. */
export interface ControlCall {
  readonly name: ControlCallName;
  readonly args: unknown;
  answer(result: unknown): void;
}

/** A shard's services, with the calls that its handlers made. */
export interface TestServices {
  readonly services: ShardServices;
  readonly calls: ControlCall[];
}

/**
 * Services over topics, for handlers that answer from the image or call the control plane. A service that is missing throws its name.
 * @param given properties of the broker, whose node id is 1; the brokers, this one alone by default; and further services
 */
export function testServices(
  topics: TopicImage[] = [],
  { properties = {}, brokers, controllerId = 1, ...given }: GivenServices & {
    readonly properties?: Record<string, string>;
    readonly brokers?: readonly BrokerImage[];
    readonly controllerId?: number;
  } = {},
): TestServices {
  const built = brokerConfigFrom(new Map(Object.entries(properties)));
  assert.ok("config" in built, JSON.stringify(built));
  const image = new MetadataImage();
  const only = [onlyBroker({ ...built.config, nodeId: 1 }, { ids: [] })];
  image.apply({ changed: topics, deletedIds: [], brokers: brokers ?? only, controllerId });
  const calls: ControlCall[] = [];
  const control = {
    call<N extends ControlCallName>(
      name: N,
      args: ControlCalls[N]["args"],
      done: (result: ControlCalls[N]["result"] | ControlFailure) => void,
    ) {
      calls.push({ name, args: structuredClone(args), answer: (result) => done(result as never) });
    },
  };
  const services = servicesOf({
    apis,
    authentication: new AuthenticationOnDemand(),
    image,
    control,
    slices: allAtOnce,
    nodeId: 1,
    cluster: new ClusterView({ clusterId: "test-cluster", ownId: 1, image }),
    config: built.config,
    shard: 0,
    ...given,
  });
  return { services, calls };
}

/** A question that a handler asked. */
export interface Asked<Ask extends object, Answer extends object> {
  readonly slot: number;
  readonly ask: Ask;
  readonly waiter: AnswerWaiter<Ask, Answer>;
  readonly tag: number;
}

/** Partitions that record a question and let the test answer it. */
export function askedPartitions<Q>(): Q extends Question<infer Ask, infer Answer>
  ? { partitions: Pick<ShardPartitions, "ask">; asked: Asked<Ask, Answer>[] }
  : never {
  const asked: Asked<object, object>[] = [];
  const partitions: Pick<ShardPartitions, "ask"> = {
    ask: ({ slot }, ask, waiter, tag) => void asked.push({ slot, ask, waiter, tag }),
  };
  return { partitions, asked } as never;
}

/** A topic of the image. */
export function topicImage(name: string, id: string, partitions = 1): TopicImage {
  const built = brokerConfigFrom(new Map());
  assert.ok("config" in built);
  return {
    name,
    id,
    isInternal: isInternalTopic(name),
    configs: {},
    logConfig: resolveLogConfig({}, built.config),
    partitions: Array.from({ length: partitions }, (_, partition) => ({
      partition,
      slot: partition,
      shard: 0,
      directory: 0,
      leader: 1,
      leaderEpoch: 3,
      partitionEpoch: 0,
      replicas: [1],
      isr: [1],
    })),
  };
}

/** An exchange whose answer is encoded and decoded. */
export class WireExchange<Response> implements Exchange<Response> {
  readonly apiVersion: number;
  readonly context: ConnectionContext;
  readonly #row: Api;
  #answer: Response | null = null;

  /** @param apiKey of the request @param apiVersion that the client speaks */
  constructor(apiKey: number, apiVersion: number, connection: ConnectionContext = context()) {
    this.#row = apiOf(apiKey);
    this.apiVersion = apiVersion;
    this.context = connection;
  }

  /** The answer as the client decodes it: fields that the version does not carry have their defaults. */
  get answer(): Response {
    assert.ok(this.#answer !== null, "the request was answered");
    return this.#answer;
  }

  /** Whether it was answered. */
  get isAnswered(): boolean {
    return this.#answer !== null;
  }

  respond(response: Response): void {
    assert.ok(this.#answer === null, "a request is answered once");
    const writer = new Writer();
    this.#row.response.encode(writer, this.apiVersion, response);
    const reader = new Reader(writer.bytes.slice(0, writer.position));
    reader.limitElements(Infinity);
    this.#answer = this.#row.response.decode(reader, this.apiVersion) as Response;
    assert.equal(reader.failure, null);
  }

  respondNothing(): void {
    assert.fail("metadata requests are always answered");
  }

  close(reason: string): void {
    assert.fail(`closed: ${reason}`);
  }

  /** The longest pause that the handler asked for. */
  throttledMs = 0;

  throttle(pauseMs: number): void {
    this.throttledMs = Math.max(this.throttledMs, pauseMs);
  }

  beginSlices(): () => void {
    return () => {};
  }

  holdMemory(): () => void {
    return () => {};
  }

  fail(error: unknown): void {
    throw error;
  }

  onAbandoned(): void {}
}

/** An exchange whose handler may close the connection. */
export class ClosableExchange<Response> extends WireExchange<Response> {
  /** Reasons for which it was closed. */
  readonly closed: string[] = [];

  override close(reason: string): void {
    this.closed.push(reason);
  }
}

/** Every served version of an API. */
export function servedVersions(apiKey: number): number[] {
  const [first, last] = apiOf(apiKey).served;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

import { untimed } from "./times/request_times_testing.ts";
import { strict as assert } from "node:assert";
import { AssertionError } from "../../storage/base/assert.ts";
import { nativeMemory } from "../../storage/mod.ts";
import { frameOf } from "../../tests/kafka_client.ts";
import { Affinity } from "../reactor/affinity.ts";
import type { Connection } from "../reactor/connection.ts";
import type { PipelineOwner, RequestExchange } from "./exchange.ts";
import { Pipeline } from "./pipeline.ts";
import type { ConnectionContext } from "./connection_context.ts";
import type { ServedApi } from "./api.ts";
import type { ChargedClient, QuotaKind, Quotas } from "./quotas/quotas.ts";
import type { ShardServices } from "./handler.ts";
import { metadataApi } from "../handlers/03_metadata.ts";
import { heartbeatApi } from "../handlers/12_heartbeat.ts";
import { apiVersionsApi } from "../handlers/18_api_versions.ts";
import { createTopicsApi } from "../handlers/19_create_topics.ts";
import { apiVersionsRequest } from "../protocol/messages/18_api_versions.ts";
import { metadataRequest } from "../protocol/messages/03_metadata.ts";
import { createTopicsRequest } from "../protocol/messages/19_create_topics.ts";
import { heartbeatRequest, heartbeatResponse } from "../protocol/messages/12_heartbeat.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { Reader } from "../protocol/reader.ts";
import { Writer } from "../protocol/writer.ts";
import { FEW_ELEMENTS, WEIGHTS_MAX } from "./request_weights.ts";
import { Router } from "./router.ts";
import { servicesOf } from "./services_testing.ts";
import { testContext } from "../reactor/socket_testing.ts";

const START = 1000;
const heartbeat = { groupId: "g", generationId: 1, memberId: "m" };
/** Of Metadata. */
const METADATA_ELEMENTS_MAX = metadataApi.elementsMax;

/** A router with one handler, the requests that reached it, and a connection. */
class Fixture {
  readonly memory = nativeMemory(new ArrayBuffer(1024 * 1024));
  readonly services = servicesOf({ arena: this.memory });
  readonly handled: { request: unknown; exchange: RequestExchange; services: ShardServices }[] = [];
  readonly fallbacks: RequestExchange[] = [];
  readonly closed: string[] = [];
  failuresCount = 0;
  readonly mutedMs: number[] = [];
  sentCount = 0;
  /** What the handler does besides recording the request. */
  onRequest = () => {};
  readonly context: ConnectionContext;
  /** The latest answer. */
  sent = new Uint8Array(0);
  readonly pipeline: Pipeline;
  readonly router: Router;

  /** @param changes of the connection */
  constructor(changes: Partial<ConnectionContext> = {}) {
    this.context = { ...testContext(), ...changes };
    const owner: PipelineOwner = {
      context: this.context,
      affinity: new Affinity(0, 0),
      writer: new Writer(),
      onEnded: () => {},
      sendEncoded: (bytes, end) => {
        this.sentCount++;
        this.sent = bytes.slice(0, end);
      },
      onHandlerFailure: () => void this.failuresCount++,
      mute: (pauseMs) => void this.mutedMs.push(pauseMs),
      close: (reason) => void this.closed.push(reason),
      currentBlock: 0,
      arrivedUs: 0,
      times: untimed(),
      onAnswer: () => {},
      retainBlock: () => {},
      releaseBlock: () => {},
    };
    this.pipeline = new Pipeline(owner);
    const handler = (request: unknown, exchange: RequestExchange, services: ShardServices) => {
      this.handled.push({ request, exchange, services });
      this.onRequest();
    };
    const apis = [metadataApi, heartbeatApi, apiVersionsApi, createTopicsApi].map((api): ServedApi => ({
      ...api,
      bytesQuota: api === heartbeatApi ? "produce" : undefined,
      handlerOf: () => handler,
      handleUnserved: api.handleUnserved && ((exchange) => void this.fallbacks.push(exchange)),
    }));
    this.router = new Router(apis, this.services);
  }

  /** Routes a frame without its size, between other bytes. */
  route(frame: Uint8Array): number {
    this.memory.bytes.fill(0xee).set(frame.subarray(4), START);
    const { context, pipeline, closed } = this;
    // The router uses nothing else of a connection.
    const connection = { context, pipeline, close: (reason: string) => void closed.push(reason) };
    return this.router.route(connection as unknown as Connection, START, frame.length - 4);
  }
}

function metadataFrame(apiVersion: number, clientId = "me"): Uint8Array {
  const value = { topics: [{ name: "t" }], allowAutoTopicCreation: false };
  return frameOf(metadataRequest, { apiVersion, correlationId: 42, clientId }, value);
}

Deno.test("Router.route() gives the decoded request, its exchange and the services to the API's handler", () => {
  const fixture = new Fixture();
  fixture.route(metadataFrame(9));
  const [{ request, exchange, services }] = fixture.handled as [(typeof fixture.handled)[number]];
  assert.deepEqual((request as { topics: { name: string }[] }).topics.map(({ name }) => name), ["t"]);
  assert.deepEqual([exchange.apiVersion, exchange.header.correlationId], [9, 42]);
  assert.equal(services, fixture.services);
  assert.equal(fixture.context.clientId, "me");
  assert.equal(fixture.pipeline.length, 1);
  assert.deepEqual(fixture.closed, []);
});

Deno.test("Router.route() closes on every truncation of a request, without a handler or an exchange", () => {
  const frame = metadataFrame(9);
  for (let length = 4; length < frame.length; length++) {
    const fixture = new Fixture();
    fixture.route(frame.subarray(0, length));
    assert.equal(fixture.closed.length, 1, `${length - 4} bytes`);
    assert.deepEqual([fixture.handled.length, fixture.pipeline.length], [0, 0]);
  }
});

Deno.test("Router.route() throws for no single flipped byte", () => {
  const frame = metadataFrame(12);
  for (let at = 4; at < frame.length; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const fixture = new Fixture();
      fixture.route(frame.with(at, (frame[at] as number) ^ mask));
      assert.equal(fixture.handled.length + fixture.closed.length + fixture.fallbacks.length, 1, `byte ${at}`);
    }
  }
});

Deno.test("Router.route() closes on an API that is not served and on versions outside the served range", () => {
  const frame = metadataFrame(9);
  const view = new DataView(frame.buffer);
  for (const [apiKey, apiVersion] of [[0, 9], [999, 0], [-1, 0], [3, 14], [3, -1], [3, 0x7fff]] as const) {
    const fixture = new Fixture();
    view.setInt16(4, apiKey);
    view.setInt16(6, apiVersion);
    fixture.route(frame);
    assert.match(fixture.closed.join(), /not served/, `${apiKey} v${apiVersion}`);
    assert.deepEqual([fixture.handled.length, fixture.pipeline.length], [0, 0]);
  }
});

Deno.test("Router.route() leaves an unknown version of ApiVersions to the fallback, whatever follows its header (KIP-511)", () => {
  const value = { clientSoftwareName: "x", clientSoftwareVersion: "1" };
  const frame = frameOf(apiVersionsRequest, { apiVersion: 3, correlationId: 7 }, value);
  for (const apiVersion of [5, 99, 0x7fff, -1]) {
    const fixture = new Fixture();
    new DataView(frame.buffer).setInt16(6, apiVersion);
    fixture.route(frame);
    assert.deepEqual(fixture.closed, [], String(apiVersion));
    assert.deepEqual(fixture.fallbacks.map(({ header }) => header.correlationId), [7]);
    assert.equal(fixture.handled.length, 0);
  }
});

Deno.test("Router.route() answers UNKNOWN_SERVER_ERROR and closes when the handler of a read-only API throws", () => {
  const fixture = new Fixture();
  fixture.onRequest = () => {
    throw new TypeError("a bug");
  };
  fixture.route(metadataFrame(13));
  assert.deepEqual([fixture.failuresCount, fixture.sentCount, fixture.closed.length], [1, 1, 1]);
  assert.match(fixture.closed[0] ?? "", /^the handler of Metadata failed, .*TypeError: a bug\n +at /);
  // v12 has no field for an error of the whole answer.
  fixture.route(metadataFrame(12));
  assert.deepEqual([fixture.failuresCount, fixture.sentCount, fixture.closed.length], [2, 1, 2]);
});

Deno.test("Router.route() stops the broker when a handler that may have changed something throws, and on a broken invariant", () => {
  const fixture = new Fixture();
  fixture.onRequest = () => {
    throw new TypeError("a bug");
  };
  const value = { topics: [], timeoutMs: 1000, validateOnly: false };
  const frame = frameOf(createTopicsRequest, { apiVersion: 7, correlationId: 1, clientId: "me" }, value);
  assert.throws(() => fixture.route(frame), TypeError);
  fixture.onRequest = () => {
    throw new AssertionError("Broken invariant");
  };
  assert.throws(() => fixture.route(metadataFrame(13)), AssertionError);
  assert.deepEqual([fixture.failuresCount, fixture.closed], [0, []]);
});

Deno.test("Router.route() refuses by the API's row, without calling the handler, when the client lacks the permission", () => {
  const asked: unknown[] = [];
  const authorizer = { allows: (...question: unknown[]) => asked.push(question) > 1 };
  const fixture = new Fixture({ principal: "User:a", authorizer });
  const frame = frameOf(heartbeatRequest, { apiVersion: 4, correlationId: 7 }, heartbeat);
  fixture.route(frame);
  assert.deepEqual(asked, [["User:a", "READ", { type: "GROUP", name: "g" }]]);
  assert.deepEqual([fixture.handled.length, fixture.sentCount, fixture.closed], [0, 1, []]);
  const { errorCode: code } = heartbeatResponse.decode(new Reader(fixture.sent.subarray(9)), 4);
  assert.equal(code, errorCode.GROUP_AUTHORIZATION_FAILED);
  fixture.route(frame);
  assert.deepEqual([fixture.handled.length, fixture.sentCount], [1, 1]);
});

/** Quotas that note what they are asked, with a clock that moves by 10 µs when it is read. */
function notedQuotas(pauseMs: Record<QuotaKind, number>): { quotas: Quotas; charged: unknown[] } {
  const charged: unknown[] = [];
  let nowUs = 0;
  const charge = ({ clientId }: ChargedClient, kind: QuotaKind, amount: number) => {
    charged.push([clientId, kind, amount]);
    return pauseMs[kind];
  };
  const quotas = {
    charge,
    tryCharge: charge,
    fetchBytesMax: () => Infinity,
    isEmpty: false,
    measuresTime: true,
    nowUs: () => nowUs += 10,
  };
  return { quotas, charged };
}

Deno.test("Router.route() charges a request's bytes when the row says so, and its time when it is answered; the answer has the longest pause", () => {
  const { quotas, charged } = notedQuotas({ produce: 30, fetch: 0, request: 700 });
  const fixture = new Fixture({ quotas });
  const frame = frameOf(heartbeatRequest, { apiVersion: 4, correlationId: 7, clientId: "me" }, heartbeat);
  fixture.route(frame);
  assert.deepEqual([charged, fixture.mutedMs], [[["me", "produce", frame.length - 4]], [30]]);
  const [{ exchange }] = fixture.handled as [(typeof fixture.handled)[number]];
  quotas.nowUs(); // time in which it waits for its answer
  exchange.throttle(5);
  exchange.respond({ errorCode: 0 });
  assert.deepEqual([charged.slice(1), fixture.mutedMs], [[["me", "request", 10]], [30, 700]]);
  assert.equal(heartbeatResponse.decode(new Reader(fixture.sent.subarray(9)), 4).throttleTimeMs, 700);
});

Deno.test("Router.route() charges the time of a request that is answered at once until its answer, and no time of an exempt API", () => {
  const { quotas, charged } = notedQuotas({ produce: 0, fetch: 0, request: 0 });
  const fixture = new Fixture({ quotas });
  fixture.onRequest = () => {
    quotas.nowUs();
    fixture.handled.at(-1)?.exchange.respond({ brokers: [], topics: [] });
  };
  fixture.route(metadataFrame(9));
  assert.deepEqual(charged, [["me", "request", 20]]);
  fixture.onRequest = () => {};
  const value = { clientSoftwareName: "x", clientSoftwareVersion: "1" };
  fixture.route(frameOf(apiVersionsRequest, { apiVersion: 3, correlationId: 7 }, value));
  fixture.handled.at(-1)?.exchange.respond({ errorCode: 0, apiKeys: [] });
  assert.equal(charged.length, 1);
  assert.deepEqual(fixture.mutedMs, []);
});

Deno.test("RequestExchange.chargeFetch() refuses the answer that has to wait, and charges nothing that its time makes wait", () => {
  for (
    const [pauseMs, allowed, kinds] of [
      [{ produce: 0, fetch: 0, request: 0 }, true, ["request", "fetch"]],
      [{ produce: 0, fetch: 9, request: 0 }, false, ["request", "fetch"]],
      [{ produce: 0, fetch: 9, request: 4 }, false, ["request"]],
    ] as const
  ) {
    const { quotas, charged } = notedQuotas(pauseMs);
    const fixture = new Fixture({ quotas });
    fixture.route(metadataFrame(9));
    assert.equal(fixture.handled[0]?.exchange.chargeFetch(100), allowed);
    assert.deepEqual(charged.map((each) => (each as string[])[1]), kinds);
  }
});

Deno.test("Router.route() closes on more elements than an API allows before decoding them, and weighs decoded ones until they end", () => {
  const fixture = new Fixture();
  const { weights } = fixture.pipeline.totals;
  const topics = (count: number) => Array.from({ length: count }, () => ({ name: "t" }));
  fixture.route(
    frameOf(metadataRequest, { apiVersion: 1, correlationId: 1 }, { topics: topics(METADATA_ELEMENTS_MAX) }),
  );
  assert.ok(weights.heldBytes > 100 * METADATA_ELEMENTS_MAX);
  fixture.handled[0]?.exchange.respond({ brokers: [], topics: [] });
  assert.equal(weights.heldBytes, 0);
  fixture.route(
    frameOf(metadataRequest, { apiVersion: 1, correlationId: 1 }, { topics: topics(METADATA_ELEMENTS_MAX + 1) }),
  );
  const created = Array.from({ length: 1 << 13 }, () => ({ name: "t", numPartitions: 1, replicationFactor: 1 }));
  const value = { topics: created, timeoutMs: 0 };
  fixture.route(frameOf(createTopicsRequest, { apiVersion: 2, correlationId: 1 }, value));
  created.push(...created.slice(0, 1));
  fixture.route(frameOf(createTopicsRequest, { apiVersion: 2, correlationId: 1 }, value));
  assert.equal(fixture.handled.length, 2);
  assert.match(fixture.closed[0] ?? "", /^malformed Metadata request: More than 16000 array elements/);
  assert.match(fixture.closed[1] ?? "", /^malformed CreateTopics request: More than 8192 array elements/);
});

Deno.test("Router.route() handles a request of many elements only when there is room for them, and one of few always", () => {
  const fixture = new Fixture();
  const { weights } = fixture.pipeline.totals;
  const ask = (count: number) => {
    const topics = Array.from({ length: count }, () => ({ name: "t" }));
    return fixture.route(frameOf(metadataRequest, { apiVersion: 1, correlationId: 1 }, { topics }));
  };
  let handledCount = 0;
  while (ask(METADATA_ELEMENTS_MAX) === 0) assert.ok(++handledCount < 100);
  assert.ok(handledCount > 0, "it fits alone");
  const room = weights.elementsRoom;
  assert.ok(room < METADATA_ELEMENTS_MAX);
  assert.equal(
    ask(METADATA_ELEMENTS_MAX),
    Math.min(METADATA_ELEMENTS_MAX, 2 * room),
    "there must be room for that many",
  );
  assert.deepEqual([fixture.handled.length, fixture.closed], [handledCount, []]);
  weights.add(WEIGHTS_MAX);
  assert.equal(ask(FEW_ELEMENTS), 0);
  assert.notEqual(ask(FEW_ELEMENTS + 1), 0);
  weights.add(-WEIGHTS_MAX);
  for (const { exchange } of fixture.handled) exchange.respond({ brokers: [], topics: [] });
  assert.equal(weights.heldBytes, 0);
  for (const { exchange } of fixture.handled) exchange.releaseMemory();
  assert.equal(weights.heldBytes, 0, "given back once");
  assert.equal(ask(METADATA_ELEMENTS_MAX), 0);
  const weight = weights.heldBytes;
  const release = fixture.handled.at(-1)?.exchange.holdMemory();
  fixture.pipeline.abandon();
  assert.equal(weights.heldBytes, weight, "work on it continues after its client has disconnected");
  release?.();
  assert.equal(weights.heldBytes, 0);
});

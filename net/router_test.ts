import { strict as assert } from "node:assert";
import { nativeMemory } from "../storage/mod.ts";
import { frameOf } from "../tests/kafka_client.ts";
import { Affinity } from "./affinity.ts";
import type { Connection } from "./connection.ts";
import { Pipeline, type PipelineOwner, type RequestExchange } from "./exchange.ts";
import type { ShardServices } from "./handler.ts";
import { apiVersionsRequest } from "./protocol/messages/18_api_versions.ts";
import { metadataRequest } from "./protocol/messages/03_metadata.ts";
import { Writer } from "./protocol/writer.ts";
import { Router } from "./router.ts";
import { testContext } from "./socket_testing.ts";

const START = 1000;

/** A router with one handler, the requests that came through, and a connection to route for. */
class Fixture {
  readonly memory = nativeMemory(new ArrayBuffer(64 * 1024));
  readonly services = {} as ShardServices;
  readonly handled: { request: unknown; exchange: RequestExchange; services: ShardServices }[] = [];
  readonly fallbacks: RequestExchange[] = [];
  readonly closed: string[] = [];
  readonly context = testContext();
  readonly pipeline: Pipeline;
  readonly router: Router;

  constructor() {
    const owner: PipelineOwner = {
      context: this.context,
      affinity: new Affinity(0, 0),
      writer: new Writer(),
      onEnded: () => {},
      sendEncoded: () => {},
      close: (reason) => void this.closed.push(reason),
      retainBlock: () => 0,
      releaseBlock: () => {},
    };
    this.pipeline = new Pipeline(owner);
    const handler = (request: unknown, exchange: RequestExchange, services: ShardServices) =>
      void this.handled.push({ request, exchange, services });
    this.router = new Router(
      new Map([[3, handler], [18, handler]]),
      (exchange) => void this.fallbacks.push(exchange),
      { services: this.services, memory: this.memory },
    );
  }

  /** Routes a frame without its size, in the middle of other bytes. */
  route(frame: Uint8Array): void {
    this.memory.bytes.fill(0xee).set(frame.subarray(4), START);
    const { context, pipeline, closed } = this;
    // The router uses nothing else of a connection.
    const connection = { context, pipeline, close: (reason: string) => void closed.push(reason) };
    this.router.route(connection as unknown as Connection, START, frame.length - 4);
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

Deno.test("Router.route() closes on an API that is not served and on versions outside of the served range", () => {
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

Deno.test("Router.route() leaves ApiVersions of an unknown version to the fallback, whatever follows its header (KIP-511)", () => {
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

import { strict as assert } from "node:assert";
import { ManualClock } from "../../../storage/base/clock.ts";
import { HTTP_LIMITS, type HttpLimits } from "./http_limits.ts";
import { HttpServer } from "./http_server.ts";
import { Pages } from "./pages.ts";

/** A listener on a port of the system, with a clock that the test moves, and pages that answer at once unless they are held. */
class TestServer implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly pages: Pages;
  readonly server: HttpServer;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving: Promise<void>;
  readonly #clients: Deno.TcpConn[] = [];
  readonly #pauses: (() => void)[] = [];
  content = "kafka_x 1\n";
  isSilent = false;

  constructor(limits: Partial<HttpLimits> = {}) {
    const all: HttpLimits = { ...HTTP_LIMITS, ...limits };
    this.pages = new Pages({
      limits: all,
      clock: this.clock,
      ask: (_, id) => {
        const page = { status: 200, contentType: "text/plain", text: this.content } as const;
        if (!this.isSilent) void this.pages.receive(id, page);
      },
    });
    const pause = () => new Promise<void>((resolve) => this.#pauses.push(resolve));
    this.server = new HttpServer({
      listener: this.#listener,
      pages: this.pages,
      limits: all,
      clock: this.clock,
      pause,
    });
    this.#serving = this.server.serve();
  }

  async connect(): Promise<Deno.TcpConn> {
    const client = await Deno.connect({ hostname: "127.0.0.1", port: this.#listener.addr.port });
    this.#clients.push(client);
    return client;
  }

  /** Ends the pauses of those who wait for room. */
  endPauses(): void {
    for (const end of this.#pauses.splice(0)) end();
  }

  /** Sends a text, and reads until the server closes, or the answer has ended. */
  async exchange(text: string): Promise<string> {
    const client = await this.connect();
    await send(client, text);
    return await readAll(client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    this.endPauses();
    await this.#serving;
    for (const client of this.#clients) client.close();
  }
}

async function send(client: Deno.TcpConn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await client.write(bytes.subarray(at));
}

/** Reads until the server has closed. A reset is a close, too: unread bytes of the client make it one. */
async function readAll(client: Deno.TcpConn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(65536);
  for (;;) {
    const count = await client.read(buffer).catch((error) => {
      if (error instanceof Deno.errors.ConnectionReset) return null;
      throw error;
    });
    if (count === null) return text;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

/** Reads one answer of a connection that stays open. */
async function readAnswer(client: Deno.TcpConn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(65536);
  for (;;) {
    const [, head, length] = /^([^]*?Content-Length: (\d+)[^]*?\r\n\r\n)/.exec(text) ?? [];
    if (head !== undefined && text.length >= head.length + Number(length)) return text;
    const count = await client.read(buffer);
    assert.notEqual(count, null, `closed after ${text}`);
    text += new TextDecoder().decode(buffer.subarray(0, count as number));
  }
}

const GET = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const statusesOf = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

Deno.test("HttpServer answers GET and HEAD, and keeps the connection for the next request", async () => {
  await using test = new TestServer();
  const client = await test.connect();
  await send(client, GET);
  assert.match(await readAnswer(client), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nkafka_x 1\n$/);
  await send(client, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n" + LAST);
  const both = await readAll(client);
  assert.deepEqual(statusesOf(both), [200, 200]);
  assert.equal(both.match(/kafka_x/g)?.length, 1, "HEAD has the length and no body");
  assert.equal(both.match(/Content-Length: 10\r\n/g)?.length, 2);
  assert.deepEqual(statusesOf(await test.exchange(LAST.replace("/metrics", "/other"))), [404]);
  for (const name of ["constructor", "__proto__", "toString"]) {
    assert.deepEqual(statusesOf(await test.exchange(LAST.replace("/metrics", name))), [400]);
    assert.deepEqual(statusesOf(await test.exchange(LAST.replace("/metrics", `/${name}`))), [404]);
  }
});

Deno.test("HttpServer answers pipelined requests one after the other, in their order", async () => {
  await using test = new TestServer();
  const index = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  const text = await test.exchange(index + GET + "GET /no HTTP/1.1\r\nHost: x\r\n\r\n" + GET.repeat(200) + LAST);
  assert.deepEqual(statusesOf(text), [200, 200, 404, ...Array(201).fill(200)]);
});

Deno.test("HttpServer refuses garbage with a status, and closes", async () => {
  await using test = new TestServer();
  for (
    const [garbage, status] of [
      ["\x16\x03\x01\x02\x00\x01\x00", 400],
      ["DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405],
      [`GET / HTTP/1.1\r\n${"a: b\r\n".repeat(2000)}`, 431],
      ["GET / HTTP/9.9\r\n\r\n", 505],
    ] as const
  ) assert.deepEqual(statusesOf(await test.exchange(garbage)), [status], garbage.slice(0, 20));
  assert.match(await test.exchange("PUT / HTTP/1.1\r\nHost: x\r\n\r\n"), /\r\nAllow: GET, HEAD\r\n/);
});

Deno.test("HttpServer.sweep() closes who sends nothing, sends slowly, or reads nothing", async () => {
  await using test = new TestServer();
  const [silent, slow] = [await test.connect(), await test.connect()];
  await send(slow, "GET /metrics HT");
  await send(await test.connect(), LAST); // all were accepted
  test.clock.advance(HTTP_LIMITS.requestMsMax - 1);
  await test.exchange(LAST);
  test.server.sweep();
  await send(slow, "TP/1.1\r\nHo");
  test.clock.advance(1);
  test.server.sweep();
  assert.equal(await readAll(silent), "");
  assert.equal(await readAll(slow), "", "more bytes give no more time");

  test.content = "kafka_x 1\n".repeat(2_000_000);
  test.clock.advance(1000);
  const reader = await test.connect();
  await send(reader, GET);
  await readSome(reader);
  test.clock.advance(HTTP_LIMITS.answerMs.metrics + HTTP_LIMITS.writeMsMax);
  test.server.sweep();
  assert.ok((await readAll(reader)).length < test.content.length, "the answer was cut");
});

/** The answer has begun: the server is about to wait for its reader. */
async function readSome(client: Deno.TcpConn): Promise<void> {
  assert.notEqual(await client.read(new Uint8Array(1)), null);
}

Deno.test("HttpServer closes idle connections for new ones, and who has had its second; else new ones wait", async () => {
  await using test = new TestServer({ connectionsMax: 2 });
  const idle = await test.connect();
  await send(idle, GET);
  await readAnswer(idle);
  const busy = await test.connect();
  await send(busy, "GET /metr");
  assert.deepEqual(statusesOf(await test.exchange(LAST)), [200], "the idle one has given way");
  assert.equal(await readAll(idle), "");

  const other = await test.connect();
  await send(other, "GET /metr");
  const waiting = test.exchange(LAST);
  // Both have begun a request: the third waits until they have had their time.
  test.clock.advance(HTTP_LIMITS.fairMs);
  for (let answered = false; !answered;) {
    test.endPauses();
    answered = await Promise.race([
      waiting.then(() => true),
      new Promise<boolean>((next) => setTimeout(next, 1, false)),
    ]);
  }
  assert.deepEqual(statusesOf(await waiting), [200]);
  assert.ok(test.server.connectionsCount <= 2);
});

Deno.test("HttpServer keeps few pages in memory: who still reads an old one is cut off", async () => {
  await using test = new TestServer({ pagesMax: 2 });
  test.content = "kafka_x 1\n".repeat(2_000_000);
  const reader = await test.connect();
  await send(reader, GET);
  await readSome(reader);
  for (let page = 0; page < 4; page++) {
    test.content = `kafka_x ${page}\n`;
    test.clock.advance(HTTP_LIMITS.pageMs.metrics);
    assert.ok((await test.exchange(LAST)).endsWith(test.content));
    test.server.sweep();
  }
  assert.ok((await readAll(reader)).length < 20_000_000);
});

Deno.test("HttpServer answers 503 when the main isolate is silent", async () => {
  await using test = new TestServer();
  test.isSilent = true;
  const client = await test.connect();
  await send(client, LAST);
  const answer = readAll(client);
  let isAnswered = false;
  answer.then(() => isAnswered = true);
  while (!isAnswered) {
    test.clock.advance(HTTP_LIMITS.answerMs.metrics);
    test.pages.sweep();
    await new Promise((next) => setTimeout(next, 1));
  }
  assert.deepEqual(statusesOf(await answer), [503]);
});

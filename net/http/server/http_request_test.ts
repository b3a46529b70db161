import { strict as assert } from "node:assert";
import { readRequest } from "./http_request.ts";

const HEAD_BYTES_MAX = 1024;
const bytes = (text: string) => new TextEncoder().encode(text);
const read = (text: string) => readRequest(bytes(text), HEAD_BYTES_MAX);

/** What Prometheus 2.42 sends. */
const SCRAPE = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9404\r\nUser-Agent: Prometheus/2.42.0\r\n" +
  "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n" +
  "Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n";

function statusOf(text: string): number | "read" | null {
  const request = read(text);
  if (request === null) return null;
  return request.kind === "refused" ? request.status : "read";
}

Deno.test("readRequest() reads what Prometheus, curl and probes send, and leaves what follows", () => {
  assert.deepEqual(read(`${SCRAPE}GET /next`), {
    kind: "request",
    method: "GET",
    path: "/metrics",
    acceptsGzip: true,
    keepsOpen: true,
    bytesCount: SCRAPE.length,
  });
  const short = (line: string, fields = "") => read(`${line}\r\nHost: x\r\n${fields}\r\n`);
  assert.deepEqual(short("HEAD /healthz?verbose HTTP/1.1", "Connection: close\r\n"), {
    kind: "request",
    method: "HEAD",
    path: "/healthz",
    acceptsGzip: false,
    keepsOpen: false,
    bytesCount: 62,
  });
  const old = read("GET /readyz HTTP/1.0\r\n\r\n");
  assert.ok(old?.kind === "request" && !old.keepsOpen, "HTTP/1.0 needs no Host, and closes");
  const kept = read("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
  assert.ok(kept?.kind === "request" && kept.keepsOpen);
});

Deno.test("readRequest() compresses for those who accept it", () => {
  const accepts = (value: string) => {
    const request = read(`GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: ${value}\r\n\r\n`);
    return request?.kind === "request" && request.acceptsGzip;
  };
  for (const value of ["gzip", "GZIP", "deflate, gzip;q=0.5", "br,gzip"]) assert.ok(accepts(value), value);
  for (const value of ["", "identity", "gzip;q=0", "gzip; q=0.000", "xgzip"]) assert.ok(!accepts(value), value);
});

Deno.test("readRequest() waits for every cut of a request, and refuses none of them", () => {
  for (let length = 0; length < SCRAPE.length; length++) assert.equal(read(SCRAPE.slice(0, length)), null, `${length}`);
});

Deno.test("readRequest() refuses everything else with a status", () => {
  const field = (text: string) => `GET / HTTP/1.1\r\nHost: x\r\n${text}\r\n\r\n`;
  const cases: readonly (readonly [string, number])[] = [
    ["\x16\x03\x01\x02\x00", 400], // TLS
    ["\x00\x00\x00\x14\x00\x12", 400], // Kafka's ApiVersions
    ["get / HTTP/1.1\r\n\r\n", 400],
    ["GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    ["GET /\r\n\r\n", 505],
    ["GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
    ["GET / HTTP/1.1\r\n\r\n", 400], // no Host
    ["POST / HTTP/1.1\r\nHost: x\r\n\r\n", 405],
    ["CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405],
    [field("Content-Length: 5"), 413],
    [field("Content-Length: 0, 0"), 413],
    [field("Transfer-Encoding: chunked"), 413],
    [field(" folded: x"), 400],
    [field("no colon"), 400],
    [field("name : x"), 400],
    [field("name: \x00"), 400],
    [field("na\x7fme: x"), 400],
    [field("name: a\rb"), 400],
    [field(": x"), 400],
    ["GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400],
    [`GET /${"a".repeat(HEAD_BYTES_MAX)}`, 431],
    [field("a: b\r\n".repeat(HEAD_BYTES_MAX)).slice(0, HEAD_BYTES_MAX), 431],
    ["A".repeat(HEAD_BYTES_MAX), 431],
  ];
  for (const [text, status] of cases) assert.equal(statusOf(text), status, JSON.stringify(text.slice(0, 60)));
  assert.equal(statusOf(field("Content-Length: 0")), "read", "a body of nothing is none");
});

Deno.test("readRequest() never throws, whatever byte is flipped", () => {
  const original = bytes(SCRAPE);
  for (let at = 0; at < original.length; at++) {
    for (const flip of [1, 0x20, 0x80, 0xff]) {
      const flipped = original.slice();
      flipped[at] = (flipped[at] as number) ^ flip;
      readRequest(flipped, HEAD_BYTES_MAX);
    }
  }
});

Deno.test("readRequest() takes a time that grows with the bytes: no run of blanks or colons is scanned again and again", () => {
  const hostile = [
    " ".repeat(200_000) + "x",
    ":".repeat(200_000),
    "a".repeat(200_000),
    "\t \t".repeat(70_000) + "\x01",
  ];
  for (const text of hostile) {
    const beganMs = performance.now();
    readRequest(bytes(`GET / HTTP/1.1\r\nHost: x\r\nname: ${text}\r\n\r\n`), 1_000_000);
    assert.ok(performance.now() - beganMs < 1000);
  }
});

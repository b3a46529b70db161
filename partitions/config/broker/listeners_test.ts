import assert from "node:assert/strict";
import { parseListeners } from "./listeners.ts";

const PROTOCOLS = "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL";

function parse(listeners: string, more: { advertised?: string; protocols?: string; controllers?: string } = {}) {
  return parseListeners({
    listeners: listeners.split(","),
    advertised: more.advertised?.split(",") ?? null,
    protocols: more.protocols ?? PROTOCOLS,
    controllerNames: more.controllers?.split(",") ?? [],
  });
}

function refusedBy(...args: Parameters<typeof parse>): string {
  const parsed = parse(...args);
  assert("refused" in parsed);
  return parsed.refused;
}

Deno.test("parseListeners() reads names, hosts, IPv6 addresses and ports", () => {
  assert.deepEqual(
    parse("PLAINTEXT://127.0.0.1:9092,inner://[::1]:0,outer://kafka-1.example.com:65535", {
      protocols: "INNER:PLAINTEXT, OUTER:plaintext",
    }),
    {
      listeners: [
        { name: "PLAINTEXT", host: "127.0.0.1", port: 9092 },
        { name: "INNER", host: "::1", port: 0 },
        { name: "OUTER", host: "kafka-1.example.com", port: 65535 },
      ],
      advertised: null,
    },
  );
});

Deno.test("parseListeners() treats an empty host as all addresses, like Kafka", () => {
  assert.deepEqual(parse("PLAINTEXT://:9092"), {
    listeners: [{ name: "PLAINTEXT", host: "0.0.0.0", port: 9092 }],
    advertised: null,
  });
});

Deno.test("parseListeners() omits controller listeners", () => {
  assert.deepEqual(
    parse("PLAINTEXT://:9092,CONTROLLER://:9093", {
      controllers: "CONTROLLER",
      advertised: "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
    }),
    {
      listeners: [{ name: "PLAINTEXT", host: "0.0.0.0", port: 9092 }],
      advertised: [{ name: "PLAINTEXT", host: "localhost", port: 9092 }],
    },
  );
  assert.match(refusedBy("CONTROLLER://:9093", { controllers: "CONTROLLER" }), /leaves no address for clients/);
});

Deno.test("parseListeners() refuses protocols other than PLAINTEXT, which it would open unprotected", () => {
  assert.equal(refusedBy("SSL://:9092"), "listeners: SSL asks for SSL; only PLAINTEXT is supported so far");
  assert.match(refusedBy("EXTERNAL://:9092", { protocols: "EXTERNAL:SASL_SSL" }), /EXTERNAL asks for SASL_SSL/);
  assert.match(refusedBy("PLAINTEXT://:9092", { protocols: "PLAINTEXT:SSL" }), /PLAINTEXT asks for SSL/);
  assert.match(refusedBy("EXTERNAL://:9092"), /has no protocol for EXTERNAL/);
});

Deno.test("parseListeners() refuses what is not an address", () => {
  for (
    const text of [
      "",
      "PLAINTEXT",
      "PLAINTEXT://h",
      "PLAINTEXT://h:x",
      "PLAINTEXT://h:65536",
      "://h:1",
      "A://b c:1",
      "A:/b:1",
      "A://[::1:1",
    ]
  ) {
    assert.match(refusedBy(text), /is not of the form PLAINTEXT:\/\/host:port/, text);
  }
  assert.match(refusedBy("PLAINTEXT://:1,PLAINTEXT://:2"), /PLAINTEXT is there twice/);
});

Deno.test("parseListeners() refuses to advertise addresses that clients cannot reach", () => {
  assert.match(refusedBy("PLAINTEXT://:1", { advertised: "PLAINTEXT://:1" }), /need a host/);
  assert.match(refusedBy("PLAINTEXT://:1", { advertised: "PLAINTEXT://0.0.0.0:1" }), /need a host/);
  assert.match(refusedBy("PLAINTEXT://:1", { advertised: "PLAINTEXT://[::]:1" }), /need a host/);
  assert.match(refusedBy("PLAINTEXT://:1", { advertised: "SSL://a:1" }), /listeners has no SSL \(it has PLAINTEXT\)/);
});

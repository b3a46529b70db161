import assert from "node:assert/strict";
import { describeBrokerConfigs } from "./described_broker.ts";
import { brokerConfigFrom } from "./broker_properties.ts";

const ENDPOINTS = "barnabas.etcd.endpoints";
const cluster = { "node.id": "1", [ENDPOINTS]: "http://127.0.0.1:2379" };
const secure = { "node.id": "1", [ENDPOINTS]: "https://h:2379" };

function accept(properties: Record<string, string>) {
  const result = brokerConfigFrom(new Map(Object.entries(properties)));
  assert(!("refused" in result), "refused" in result ? result.refused : "");
  assert.deepEqual(structuredClone(result.config), result.config);
  return result.config;
}

function refuse(properties: Record<string, string>): string {
  const result = brokerConfigFrom(new Map(Object.entries(properties)));
  assert("refused" in result);
  return result.refused;
}

Deno.test("brokerConfigFrom() has no etcd, rack and secret by default, and the times of brokers on one network", () => {
  const config = accept({});
  assert.deepEqual([config.etcd, config.rack, config.interBrokerSecret], [null, null, null]);
  assert.deepEqual([config.brokerHeartbeatIntervalMs, config.brokerSessionTimeoutMs], [100, 700]);
  assert.deepEqual([config.initialBrokerRegistrationTimeoutMs, config.controlledShutdownEnable], [60_000, true]);
  assert.equal(config.interBrokerListenerName, "PLAINTEXT");
  assert.equal(config.leaderRebalanceIntervalMs, 300_000);
  assert.equal(accept({ "auto.leader.rebalance.enable": "false" }).leaderRebalanceIntervalMs, null);
  assert.equal(accept({ "broker.rack": "" }).rack, null);
});

Deno.test("brokerConfigFrom() reads every setting of etcd into the field of its name", () => {
  const tls = { "barnabas.etcd.tls.ca.file": "/ca", "barnabas.etcd.tls.certificate.file": "/c" };
  const { etcd } = accept({
    "node.id": "0",
    [ENDPOINTS]: "https://a:2379, https://[::1]:2379/,https://c",
    "barnabas.etcd.prefix": "/kafka/one/",
    "barnabas.etcd.username": "root",
    "barnabas.etcd.password": "p w",
    ...tls,
    "barnabas.etcd.tls.key.file": "/k",
  });
  assert.deepEqual(etcd, {
    endpoints: ["https://a:2379", "https://[::1]:2379", "https://c"],
    managed: false,
    prefix: "/kafka/one/",
    username: "root",
    password: "p w",
    passwordFile: null,
    tls: { ca: "/ca", cert: "/c", key: "/k" },
  });
  assert.deepEqual(accept(cluster).etcd, {
    endpoints: ["http://127.0.0.1:2379"],
    ...{ managed: false, prefix: "/barnabas/" },
    ...{ username: null, password: null, passwordFile: null, tls: null },
  });
  const withFile = { ...cluster, "barnabas.etcd.username": "u", "barnabas.etcd.password.file": "/p" };
  assert.equal(accept(withFile).etcd?.passwordFile, "/p");
  assert.deepEqual(accept({ ...secure, "barnabas.etcd.tls.ca.file": "/ca" }).etcd?.tls, {
    ...{ ca: "/ca", cert: null, key: null },
  });
  const managed = accept({ "broker.id": "7", [ENDPOINTS]: "managed" });
  assert.deepEqual([managed.nodeId, managed.etcd?.endpoints, managed.etcd?.managed], [7, [], true]);
});

Deno.test("brokerConfigFrom() refuses endpoints, prefixes and access to etcd that cannot be meant", () => {
  const [user, password] = ["barnabas.etcd.username", "barnabas.etcd.password"];
  const refused: [Record<string, string>, RegExp][] = [
    [{ ...cluster, [ENDPOINTS]: "" }, /^barnabas\.etcd\.endpoints names no member of an etcd$/],
    [{ ...cluster, [ENDPOINTS]: "http://a:2379/v3" }, /"http:\/\/a:2379\/v3" is no endpoint of etcd/],
    [{ ...cluster, [ENDPOINTS]: "http://a:2379?x" }, /is no endpoint of etcd/],
    [{ ...cluster, [ENDPOINTS]: "ftp://a:2379" }, /is no endpoint of etcd/],
    [{ ...cluster, [ENDPOINTS]: "http://a:2379," }, /"" is no endpoint of etcd/],
    [{ ...cluster, [ENDPOINTS]: "http://a:2379,http://a:2379/" }, /http:\/\/a:2379 is there twice$/],
    [{ ...cluster, [ENDPOINTS]: "http://a:2379,managed" }, /managed stands alone$/],
    [{ ...cluster, [ENDPOINTS]: "http://u:p@a:2379" }, /"…@a:2379" has a user: write it to barnabas\.etcd\.username/],
    [{ ...cluster, "barnabas.etcd.prefix": "barnabas" }, /^Invalid value barnabas for .*: it looks like \/barnabas\/$/],
    [{ ...cluster, [user]: "u" }, /^barnabas\.etcd\.username is set without barnabas\.etcd\.password or/],
    [{ ...cluster, [password]: "p" }, /^a password of etcd is set without barnabas\.etcd\.username$/],
    [{ ...cluster, [user]: "u", [password]: "p", [`${password}.file`]: "/p" }, /are both set: one is enough$/],
    [
      { ...secure, "barnabas.etcd.tls.key.file": "/k" },
      /certificate\.file and barnabas\.etcd\.tls\.key\.file need each/,
    ],
    [
      { ...secure, [ENDPOINTS]: "https://a,http://b", "barnabas.etcd.tls.ca.file": "/ca" },
      /the endpoint http:\/\/b is not protected$/,
    ],
    [{ "node.id": "1", [ENDPOINTS]: "managed", [user]: "u" }, /^barnabas\.etcd\.username is set, but the etcd that/],
    [{ [user]: "u" }, /^barnabas\.etcd\.username is set, but .* \(or --etcd\) is not: this broker would run alone$/],
  ];
  for (const [properties, why] of refused) assert.match(refuse(properties), why);
});

Deno.test("brokerConfigFrom() refuses a broker of a cluster without a number of its own", () => {
  assert.match(refuse({ [ENDPOINTS]: "http://h:2379" }), /^with etcd each broker needs a number of its own/);
  assert.match(refuse({ [ENDPOINTS]: "http://h:2379", "broker.id": "-1" }), /^with etcd each broker needs a number/);
  assert.match(refuse({ ...cluster, "node.id": "-1" }), /Value must be at least 0/);
});

Deno.test("brokerConfigFrom() refuses listeners that other brokers and their clients cannot reach", () => {
  for (const host of ["", "0.0.0.0", "[::]", "[0:0:0:0:0:0:0:0]", "0"]) {
    assert.match(
      refuse({ ...cluster, "listeners": `PLAINTEXT://${host}:9092` }),
      /^listeners PLAINTEXT:.*need a host that they can connect to: name it in advertised\.listeners$/,
    );
    accept({ "listeners": `PLAINTEXT://${host}:9092` });
  }
  const two = { "listeners": "A://:1,B://h:2", "listener.security.protocol.map": "A:PLAINTEXT,B:PLAINTEXT" };
  assert.match(
    refuse({ ...cluster, ...two, "advertised.listeners": "B://h:2" }),
    /^listeners A:\/\/0\.0\.0\.0:1: with etcd/,
  );
  const reachable = { ...cluster, ...two, "advertised.listeners": "A://a:1,B://h:2" };
  assert.match(refuse(reachable), /^inter\.broker\.listener\.name is not set: it says at which of A,B other brokers/);
  assert.equal(accept({ ...reachable, "inter.broker.listener.name": "b" }).interBrokerListenerName, "B");
  assert.equal(
    refuse({ ...reachable, "inter.broker.listener.name": "C" }),
    "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on " +
      "currently configured listeners are A,B",
  );
  const one = { "listeners": "A://h:1", "listener.security.protocol.map": "A:PLAINTEXT" };
  assert.equal(accept({ ...cluster, ...one }).interBrokerListenerName, "A");
  accept({ ...two, "inter.broker.listener.name": "C" });
});

Deno.test("brokerConfigFrom() refuses heartbeats that do not fit into a session, in a cluster", () => {
  const times = { "broker.heartbeat.interval.ms": "700" };
  assert.equal(
    refuse({ ...cluster, ...times }),
    "broker.heartbeat.interval.ms must be less than broker.session.timeout.ms",
  );
  assert.match(refuse({ "broker.session.timeout.ms": "0" }), /Value must be at least 1/);
  accept(times);
});

Deno.test("brokerConfigFrom() keeps passwords out of properties, and DescribeConfigs shows none", () => {
  const secret = "sixteen letters!";
  const password = { "barnabas.etcd.username": "u", "barnabas.etcd.password": "hunter2" };
  const config = accept({ ...cluster, ...password, "barnabas.inter.broker.secret": secret });
  assert.deepEqual([config.interBrokerSecret, config.etcd?.password], [secret, "hunter2"]);
  const shown = JSON.stringify([config.properties, describeBrokerConfigs(config)]);
  assert(!shown.includes(secret) && !shown.includes("hunter2"), shown);
  const entry = describeBrokerConfigs(config).find(({ name }) => name === "barnabas.inter.broker.secret");
  assert.deepEqual({ ...entry, documentation: "" }, {
    name: "barnabas.inter.broker.secret",
    value: null,
    source: 4,
    readOnly: true,
    isSensitive: true,
    synonyms: [{ name: "barnabas.inter.broker.secret", value: null, source: 4 }],
    type: 9,
    documentation: "",
  });
});

Deno.test("brokerConfigFrom() refuses a secret of brokers that is too short or too long, without repeating it", () => {
  for (const secret of ["", "fifteen letters", "x".repeat(1025)]) {
    const message = refuse({ "barnabas.inter.broker.secret": secret });
    assert.equal(
      message,
      "Invalid value [hidden] for configuration barnabas.inter.broker.secret: It needs 16 to 1024 characters",
    );
  }
});

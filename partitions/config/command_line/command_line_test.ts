import assert from "node:assert/strict";
import { brokerDefinitions } from "../broker/broker_definitions.ts";
import { parseCommandLine } from "./command_line.ts";

/** The settings of the server.properties that Apache Kafka 4.3.1 ships. */
const KAFKAS_OWN_FILE = `
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`;

const noFile = (path: string): string => {
  throw new Error(`no file ${path}`);
};

function run(args: string[], readText = noFile) {
  const plan = parseCommandLine(args, readText);
  assert(plan.kind === "run", "message" in plan ? plan.message : plan.kind);
  return plan;
}

function refusal(args: string[], readText = noFile): string {
  const plan = parseCommandLine(args, readText);
  assert(plan.kind === "refused", plan.kind);
  return plan.message;
}

Deno.test("parseCommandLine() uses the defaults when there are no flags", () => {
  const plan = run([]);
  assert.deepEqual([plan.topics, plan.warnings, plan.config.port], [[], [], 9092]);
});

Deno.test("parseCommandLine() accepts each flag with a space and with =", () => {
  const apart = [
    "--port",
    "0",
    "--host",
    "0.0.0.0",
    "--data",
    "/d",
    "--shards",
    "3",
    "--topic",
    "a",
    "--override",
    "num.partitions=2",
  ];
  const joined = ["--port=0", "--host=0.0.0.0", "--data=/d", "--shards=3", "--topic=a", "--override=num.partitions=2"];
  for (const args of [apart, joined]) {
    const { config, topics } = run(args);
    assert.deepEqual([config.port, config.host, config.logDirectories, config.shards], [0, "0.0.0.0", ["/d"], 3]);
    assert.deepEqual([topics, config.numPartitions], [[{ name: "a" }], 2]);
  }
});

Deno.test("parseCommandLine() lets overrides override the file, and flags override both", () => {
  const file = () => "listeners=PLAINTEXT://:1\nnum.partitions=1\nlog.dirs=/file\n";
  const { config } = run(["--override", "num.partitions=2", "--config", "f", "--data", "/flag"], file);
  assert.deepEqual([config.port, config.numPartitions, config.logDirectories], [1, 2, ["/flag"]]);
  assert.equal(run(["--override", "num.partitions=2", "--override", "num.partitions=3"]).config.numPartitions, 3);
});

Deno.test("parseCommandLine() accepts the file that Apache Kafka ships, with one warning of each kind", () => {
  const { config, warnings } = run(["--config", "server.properties"], (path) => {
    assert.equal(path, "server.properties");
    return `${KAFKAS_OWN_FILE}\nlog.local.retention.bytes=-2\n`;
  });
  assert.deepEqual(config.listeners, [{ name: "PLAINTEXT", host: "0.0.0.0", port: 9092 }]);
  assert.deepEqual(config.advertisedListeners, [{ name: "PLAINTEXT", host: "localhost", port: 9092 }]);
  assert.deepEqual(warnings, [
    "not used from server.properties: process.roles, controller.quorum.bootstrap.servers, num.network.threads, " +
    "num.io.threads, num.recovery.threads.per.data.dir, " +
    "transaction.state.log.replication.factor, transaction.state.log.min.isr",
    "stored, but without effect so far: log.local.retention.bytes",
  ]);
});

Deno.test("parseCommandLine() reads topics with partitions and configs", () => {
  const { topics, warnings } = run([
    ...["--topic", "a"],
    ...["--topic", "b:3"],
    ...["--topic", "c:2:cleanup.policy=compact,delete:segment.ms=5"],
    ...["--topic", "d::leader.replication.throttled.replicas=0:1,1:1"],
    ...["--topic", "e:"],
  ]);
  assert.deepEqual(topics, [
    { name: "a" },
    { name: "b", partitions: 3 },
    { name: "c", partitions: 2, configs: { "cleanup.policy": "compact,delete", "segment.ms": "5" } },
    { name: "d", configs: { "leader.replication.throttled.replicas": "0:1,1:1" } },
    { name: "e" },
  ]);
  assert.deepEqual(warnings, ["stored, but without effect so far: leader.replication.throttled.replicas"]);
});

Deno.test("parseCommandLine() refuses topics that Kafka would refuse, with the reason", () => {
  assert.match(refusal(["--topic", "a b"]), /"a b" is not a topic name/);
  assert.match(refusal(["--topic", ".."]), /is not a topic name/);
  assert.match(refusal(["--topic", "a".repeat(250)]), /is not a topic name/);
  assert.match(refusal(["--topic", ":3"]), /"" is not a topic name/);
  for (const count of ["0", "-1", "x", "10001", "1.5"]) {
    assert.match(refusal(["--topic", `a:${count}`]), /is not a number of partitions from 1 to 10000/, count);
  }
  assert.match(refusal(["--topic", "a:1:nonsense"]), /"nonsense" is not of the form key=value/);
  assert.match(
    refusal(["--topic", "a:1:clean.policy=x"]),
    /there is no topic config "clean.policy"; did you mean cleanup.policy\?/,
  );
  assert.match(
    refusal(["--topic", "a:1:segment.ms=x"]),
    /^--topic a:1:segment.ms=x: Invalid value x for configuration/,
  );
  assert.match(refusal(["--topic", "a", "--topic", "a:2"]), /--topic a is given twice/);
});

Deno.test("parseCommandLine() answers an unknown flag or setting with the nearest name", () => {
  assert.equal(refusal(["--prot", "1"]), "there is no flag --prot; did you mean --port?");
  assert.equal(refusal(["--overide=a=b"]), "there is no flag --overide; did you mean --override?");
  assert.equal(refusal(["--data-dir", "x"]), "there is no flag --data-dir; did you mean --data?");
  assert.equal(refusal(["--quiet"]), "there is no flag --quiet; see --help");
  assert.equal(
    refusal(["--override", "num.partition=3"]),
    '--override num.partition=3: this broker has no setting "num.partition"; did you mean num.partitions?',
  );
  assert.match(refusal(["--override", "segment.bytes=3"]), /did you mean log.segment.bytes\?/);
  assert.match(refusal(["--override", "zookeeper.connect=h"]), /README.md lists the settings$/);
  assert.equal(
    refusal(["server.properties"]),
    '"server.properties" is not a flag; did you mean --config server.properties?',
  );
});

Deno.test("parseCommandLine() refuses missing, repeated and impossible values", () => {
  assert.equal(refusal(["--port"]), "--port needs a value; see --help");
  assert.equal(refusal(["--data="]), "--data needs a value; see --help");
  assert.equal(refusal(["--config", "--port"]), "--config needs a value; see --help");
  assert.equal(refusal(["--port", "1", "--port", "2"]), "--port is given twice");
  for (const port of ["-1", "65536", "x", "1.5", "0x10"]) {
    assert.match(refusal(["--port", port]), /from 0 to 65535/, port);
  }
  for (const shards of ["-1", "65", "x"]) assert.match(refusal(["--shards", shards]), /from 1 to 64/, shards);
  assert.match(refusal(["--override", "num.partitions"]), /write key=value$/);
  assert.match(refusal(["--override", "num.partitions=x"]), /^Invalid value x for configuration num.partitions/);
});

Deno.test("parseCommandLine() reads the flags of a broker with others", () => {
  const { config, warnings } = run(["--node-id", "3", "--etcd", "http://a:2379,http://b:2379/", "--rack=r"]);
  assert.deepEqual([config.nodeId, config.rack, warnings], [3, "r", []]);
  assert.deepEqual(config.etcd?.endpoints, ["http://a:2379", "http://b:2379"]);
  assert.equal(run(["--node-id", "0", "--etcd=managed"]).config.etcd?.managed, true);
  for (const id of ["-1", "x", "2147483648", "1.0"]) {
    assert.match(refusal(["--node-id", id]), /the number of a broker is from 0 to 2147483647$/, id);
  }
  assert.match(refusal(["--etcd", "http://a:2379"]), /set node\.id \(or --node-id\)/);
  assert.equal(
    refusal(["--etcd", "a:2379", "--node-id=1"]),
    'barnabas.etcd.endpoints: "a:2379" is no endpoint of etcd; it looks like http://127.0.0.1:2379',
  );
  assert.match(refusal(["--broker-id", "1"]), /did you mean --node-id\?$/);
});

Deno.test("--http is the port of the HTTP listener, and a port", () => {
  assert.equal(run(["--http", "9404"]).config.http?.port, 9404);
  assert.equal(run(["--http=0"]).config.http?.port, 0);
  assert.equal(run([]).config.http, null);
  for (const text of ["x", "65536", "-1"]) assert.match(refusal(["--http", text]), /--http .*: a port is a number/);
  assert.match(refusal(["--metrics", "9404"]), /did you mean --http\?/);
});

Deno.test("parseCommandLine() repeats no password in a refusal", () => {
  const password = "hunter2";
  const wrong = [
    [`--override=barnabas.inter.broker.secret=${password}`],
    [`--override=barnabas.inter.broker.secret:${password}`],
    [`--override=barnabas.inter.broker.secrt=${password}`],
    [`--override=barnabas.etcd.pasword=${password}`],
    [`--override=barnabas.etcd.pwd=${password}`],
    [`--override=my.secret ${password}`],
    ["--node-id=1", "--etcd", `http://root:${password}@h:2379`],
    ["--node-id=1", "--etcd", `http://root:${password},x@h:2379`],
    ["--node-id=1", "--etcd", `root:${password}@h:2379`],
    ["--node-id=1", "--etcd", "http://h:2379", `--override=barnabas.etcd.password=${password}`],
  ];
  for (const args of wrong) {
    const message = refusal(args);
    assert(!message.includes(password), message);
  }
  assert.equal(
    refusal(["--override", `barnabas.etcd.pasword=${password}`]),
    '--override barnabas.etcd.pasword=[hidden]: this broker has no setting "barnabas.etcd.pasword"; ' +
      "did you mean barnabas.etcd.password?",
  );
  assert.match(refusal(["--override=barnabas.etcd.endpoint=http://a"]), /did you mean barnabas\.etcd\.endpoints\?/);
});

Deno.test("parseCommandLine() refuses a mistyped name of barnabas.etcd also in a file, where the broker would run alone", () => {
  assert.match(
    refusal(["--config", "f"], () => "barnabas.etcd.endpoint=http://a:2379"),
    /^this broker has no setting "barnabas\.etcd\.endpoint"; did you mean barnabas\.etcd\.endpoints\?$/,
  );
});

Deno.test("parseCommandLine() reports why a properties file cannot be read", () => {
  assert.equal(refusal(["--config", "f"]), "Cannot read --config f: no file f");
  assert.match(refusal(["--config", "f"], () => "a=\\u1"), /^Cannot read --config f: line 1: /);
});

Deno.test("parseCommandLine() shows help and version even with other flags", () => {
  for (const args of [["--help"], ["-h"], ["--port", "1", "--help"]]) {
    assert.equal(parseCommandLine(args, noFile).kind, "help");
  }
  const version = parseCommandLine(["--version"], noFile);
  assert(version.kind === "version");
  assert.match(version.text, /^Barnabas \d+\.\d+\.\d+$/);
});

Deno.test("help names every flag with its default and fits 80 columns and one screen", () => {
  const help = parseCommandLine(["--help"], noFile);
  assert(help.kind === "help");
  const flags = [
    "--port",
    "--host",
    "--data",
    "--shards",
    "--node-id",
    "--etcd",
    "--rack",
    "--http",
    "--topic",
    "--config",
    "--override",
    "--help",
    "--version",
  ];
  for (const flag of flags) assert(help.text.includes(flag), flag);
  for (const value of ["(9092)", "(127.0.0.1)", "(./barnabas-data)", "(0)"]) assert(help.text.includes(value), value);
  const lines = help.text.split("\n");
  for (const line of lines) assert(line.length <= 80, line);
  assert(lines.length <= 45, "one screen");
  assert.match(help.text, /\nExit codes: 0 .*, 1 .*, 2 .*, 128 \+ N /);
  for (const name of brokerDefinitions.keys()) {
    if (!name.startsWith("barnabas.")) continue;
    const family = name.split(".").slice(0, 2).join(".");
    assert(help.text.includes(name) || help.text.includes(`${family}.*`), name);
  }
});

Deno.test("parseCommandLine() knows the commands that start no broker, and says how they are written", () => {
  assert.deepEqual(parseCommandLine(["dump", "/d/a-0/0.log"], noFile), { kind: "dump", path: "/d/a-0/0.log" });
  assert.deepEqual(parseCommandLine(["verify", "--data=/d"], noFile), { kind: "verify", path: "/d" });
  for (const args of [["dump"], ["dump", "a", "b"], ["dump", "--data"]]) {
    assert.match(refusal(args), /^dump takes one file: /);
  }
  for (const args of [[], ["--data", "/d", "--port", "1"], ["--data", "/d", "--topic", "a"]]) {
    assert.match(refusal(["verify", ...args]), /^verify takes one directory: main\.ts verify --data DIR$/);
  }
  assert.equal(refusal(["verify", "--dat", "/d"]), "verify: there is no flag --dat; did you mean --data?");
  assert.equal(parseCommandLine(["verify", "--help"], noFile).kind, "help");
});

Deno.test("parseCommandLine() takes cluster raise, whose help fits 80 columns", () => {
  const help = parseCommandLine(["cluster", "raise", "--help"], noFile);
  assert(help.kind === "help" && help.text.split("\n").every((line) => line.length <= 80));
  const flags = ["--bootstrap-server", "a:1", "--replication-factor", "2", "--all"];
  assert.equal(parseCommandLine(["cluster", "raise", ...flags], noFile).kind, "raise");
  assert.match(refusal(["cluster"]), /^cluster takes one command: main\.ts cluster raise --help$/);
  assert.equal(refusal(["cluster", "raise", "--al"]), "cluster raise: there is no flag --al; did you mean --all?");
  assert.equal(parseCommandLine(["dump", "-h"], noFile).kind, "help");
});

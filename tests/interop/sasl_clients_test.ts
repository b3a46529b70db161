/**
 * SCRAM by other implementations: librdkafka (kcat of the distribution, 2.0.2, and a new one) and the Java client log in as brokers of
 * the cluster, with its secret and with another one. They also check the signature by which the broker shows that it has the secret.
 */
import assert from "node:assert/strict";
import { kafkaTool } from "../../bench/peer/apache_kafka.ts";
import { run } from "../../bench/peer/processes.ts";
import { startTestBroker, temporaryDirectory, type TestBroker, testsApacheKafka } from "./broker.ts";
import { interopTest, locations } from "./toolchain.ts";

const SECRET = "what the brokers of a test share";

async function withMember(body: (broker: TestBroker) => Promise<void>): Promise<void> {
  if (testsApacheKafka) return; // which brokers trust each other is our own
  using directory = temporaryDirectory();
  const overrides = { "barnabas.inter.broker.secret": SECRET };
  await using broker = await startTestBroker({ dataDir: directory.path, overrides });
  await body(broker);
}

interopTest({
  name: "sasl: librdkafka logs in with the secret of the cluster, and not with another one",
  needs: ["kcat"],
  fn: () =>
    withMember(async ({ bootstrapServers }) => {
      const list = (mechanism: string, userName: string, password: string) =>
        run("kcat", [
          ...["-b", bootstrapServers, "-L", "-m", "3", "-X", "security.protocol=SASL_PLAINTEXT"],
          ...[
            "-X",
            `sasl.mechanisms=${mechanism}`,
            "-X",
            `sasl.username=${userName}`,
            "-X",
            `sasl.password=${password}`,
          ],
        ]);
      const welcome = await list("SCRAM-SHA-256", "broker-2", SECRET);
      assert.equal(welcome.code, 0, welcome.stderr);
      assert.match(welcome.stdout, /broker 1 at 127\.0\.0\.1/);
      for (const [userName, password] of [["broker-2", `${SECRET}!`], ["admin", SECRET]] as const) {
        const refused = await list("SCRAM-SHA-256", userName, password);
        assert.notEqual(refused.code, 0);
        assert.match(refused.stderr, /invalid credentials with SASL mechanism SCRAM-SHA-256/);
      }
      const unknown = await list("SCRAM-SHA-512", "broker-2", SECRET);
      assert.match(unknown.stderr, /mechanism .*SCRAM-SHA-512.*supported.*SCRAM-SHA-256|Unsupported SASL mechanism/i);
    }),
});

/** Lists the brokers. Arguments: bootstrap server, user name, password. */
const PYTHON = `
import sys
from confluent_kafka.admin import AdminClient
names = ["bootstrap.servers", "sasl.username", "sasl.password"]
login = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanisms": "SCRAM-SHA-256"}
print(AdminClient({**login, **dict(zip(names, sys.argv[1:]))}).list_topics(timeout=3).brokers)
`;

interopTest({
  name: "sasl: a new librdkafka logs in with the secret of the cluster, and not with another one",
  needs: ["python"],
  fn: () =>
    withMember(async ({ bootstrapServers }) => {
      const list = (password: string) => run(locations.python, ["-c", PYTHON, bootstrapServers, "broker-2", password]);
      const welcome = await list(SECRET);
      assert.match(welcome.stdout, /BrokerMetadata\(1, 127\.0\.0\.1/, welcome.stderr);
      const refused = await list(`${SECRET}!`);
      assert.match(refused.stderr, /invalid credentials with SASL mechanism SCRAM-SHA-256/);
    }),
});

interopTest({
  name: "sasl: the Java client logs in with the secret of the cluster, and not with another one",
  needs: ["kafka"],
  fn: () =>
    withMember(async ({ bootstrapServers }) => {
      using directory = temporaryDirectory();
      await Deno.mkdir(directory.path);
      const ask = async (password: string) => {
        const config = `${directory.path}/client.properties`;
        const login = "org.apache.kafka.common.security.scram.ScramLoginModule required";
        await Deno.writeTextFile(
          config,
          "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\n" +
            `sasl.jaas.config=${login} username="broker-2" password="${password}";\n`,
        );
        const where = ["--bootstrap-server", bootstrapServers, "--command-config", config];
        return await kafkaTool("TopicCommand", [...where, "--create", "--topic", "by-a-broker"]);
      };
      const refused = await ask("another secret of brokers");
      assert.match(refused.stdout + refused.stderr, /invalid credentials with SASL mechanism SCRAM-SHA-256/);
      const welcome = await ask(SECRET);
      assert.match(welcome.stdout, /Created topic by-a-broker/, welcome.stderr);
    }),
});

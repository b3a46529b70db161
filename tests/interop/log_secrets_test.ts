/**
 * The log of brokers that use every secret there is, right and wrong ones, has none of them: in text and as JSON, with all levels.
 */
import assert from "node:assert/strict";
import { run } from "../../bench/peer/processes.ts";
import { withDirectory } from "../temporary_directory.ts";
import { BrokerProcess } from "../broker_process.ts";
import { Etcd } from "./etcd/members.ts";
import { interopTest } from "./toolchain.ts";

const SECRETS = {
  etcd: "etcd-Password-4711",
  wrongEtcd: "wrong-Password-4712",
  brokers: "secret-of-all-brokers-4713",
  otherBrokers: "secret-of-other-brokers-4714",
  jaas: "jaas-Password-4715",
  store: "keystore-Password-4716",
};
const PREFIX = "/barnabas/";
const mainProgram = new URL("../../main.ts", import.meta.url).pathname;

/** Asks for users, and gives one all rights on the brokers' prefix. */
async function protect(etcd: Etcd): Promise<void> {
  await etcd.call("/v3/auth/user/add", { name: "root", password: "root" });
  await etcd.call("/v3/auth/user/grant", { user: "root", role: "root" });
  await etcd.call("/v3/auth/user/add", { name: "brokers", password: SECRETS.etcd });
  await etcd.call("/v3/auth/role/add", { name: "metadata" });
  const perm = { permType: "READWRITE", key: btoa(PREFIX), range_end: btoa("/barnabas0") };
  await etcd.call("/v3/auth/role/grant", { name: "metadata", perm });
  await etcd.call("/v3/auth/user/grant", { user: "brokers", role: "metadata" });
  await etcd.call("/v3/auth/enable", {});
}

interopTest({
  name: "no password and no secret is in the log, whatever its level, and in no refusal of a start",
  needs: ["etcd"],
  fn: () =>
    withDirectory(async (directory) => {
      await using etcd = await Etcd.start({ directory, flags: { "bcrypt-cost": 4 } });
      await protect(etcd);
      const overrides = {
        "barnabas.etcd.endpoints": etcd.urls.join(","),
        "barnabas.etcd.username": "brokers",
        "barnabas.etcd.password": SECRETS.etcd,
        "barnabas.inter.broker.secret": SECRETS.brokers,
        "barnabas.log.levels": "barnabas=debug",
      };
      const words: string[] = [];
      {
        await using first = await BrokerProcess.start({
          dataDir: `${directory}/1`,
          overrides: { ...overrides, "node.id": "1" },
          topics: ["orders:2"],
        });
        await using second = await BrokerProcess.start({
          dataDir: `${directory}/2`,
          overrides: { ...overrides, "node.id": "2" },
        });
        const properties = `${directory}/server.properties`;
        const jaas = `org.apache.kafka.common.security.scram.ScramLoginModule required password="${SECRETS.jaas}";`;
        await Deno.writeTextFile(
          properties,
          `listener.name.plaintext.scram-sha-256.sasl.jaas.config=${jaas}\nssl.keystore.password=${SECRETS.store}\n`,
        );
        const refused = async (...args: string[]) => {
          const settings = Object.entries({
            ...overrides,
            "node.id": "3",
            "initial.broker.registration.timeout.ms": "3000",
          });
          const { stdout, stderr, code } = await run(Deno.execPath(), [
            ...["run", "-A", mainProgram, "--port", "0", "--data", `${directory}/3`, "--config", properties],
            ...settings.flatMap(([name, value]) => ["--override", `${name}=${value}`]),
            ...args,
          ]);
          assert.notEqual(code, 0, "it is refused");
          words.push(stdout, stderr);
        };
        await refused("--override", `barnabas.etcd.password=${SECRETS.wrongEtcd}`);
        await refused("--override", `barnabas.etcd.pasword=${SECRETS.wrongEtcd}`);
        for (const format of ["text", "json"]) {
          await refused(
            ...["--override", `barnabas.inter.broker.secret=${SECRETS.otherBrokers}`],
            ...["--override", `barnabas.log.format=${format}`],
          );
        }
        words.push(await second.stop(), await first.stop());
      }
      const all = words.join("\n");
      assert.match(all, /not used from .*server\.properties: .*sasl\.jaas\.config, ssl\.keystore\.password/);
      assert.match(all, /\[DBG\] barnabas\.connections: New connection of 127/);
      assert.match(all, /another secret/);
      for (const [name, secret] of Object.entries(SECRETS)) assert.equal(all.includes(secret), false, name);
    }),
});

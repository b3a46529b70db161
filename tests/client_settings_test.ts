/**
 * Client quotas and SCRAM credentials on running brokers: every shard answers them, they are there after a restart and after a kill, and
 * nothing that a password can be guessed from is logged.
 */
import assert from "node:assert/strict";
import { startBroker } from "../mod.ts";
import { quotaEntry, upsertion } from "../partitions/metadata/settings/settings_testing.ts";
import { BrokerProcess } from "./broker_process.ts";
import { alterQuotas, alterUsers, described } from "./client_settings.ts";
import { KafkaClient } from "./kafka_client.ts";
import { withDirectory } from "./temporary_directory.ts";

Deno.test("quotas and credentials that were acknowledged are there on every connection, after kills and after a restart", () =>
  withDirectory(async (dataDir) => {
    const wanted = upsertion("alice", { seed: 200 });
    const expected = [["client-id c, user u producer_byte_rate=2", "user null consumer_byte_rate=9"], ["alice 1:4096"]];
    let words = "";
    for (const round of [0, 1]) {
      await using broker = await BrokerProcess.start({ dataDir });
      {
        using client = await KafkaClient.connect(broker);
        if (round === 0) {
          const entries = [quotaEntry({ user: null }, { consumer_byte_rate: 9 }), quotaEntry({ ip: "::1" }, { x: 1 })];
          assert.deepEqual(await alterQuotas(client, ...entries), [0, 42]);
          assert.deepEqual(await alterUsers(client, [wanted, upsertion("bob")]), [0, 0]);
        } else {
          const both = { user: "u", "client-id": "c" };
          assert.deepEqual(await alterQuotas(client, quotaEntry(both, { producer_byte_rate: 2 })), [0]);
          assert.deepEqual(await alterUsers(client, [], ["bob"]), [0]);
        }
      }
      await broker.kill();
      words += await broker.stop();
    }
    await using broker = await startBroker({ port: 0, shards: 3, dataDir });
    for (let connection = 0; connection < 6; connection++) {
      using client = await KafkaClient.connect(broker);
      assert.deepEqual(await described(client), expected);
    }
    const secrets = [wanted.saltedPassword, wanted.salt];
    for (const secret of secrets) assert.ok(!words.includes(secret.toBase64()) && !words.includes(secret.toHex()));
    for (const { name } of Deno.readDirSync(dataDir)) {
      if (!name.startsWith("barnabas-metadata")) continue;
      const stored = new TextDecoder("latin1").decode(Deno.readFileSync(`${dataDir}/${name}`));
      assert.ok(!stored.includes(wanted.saltedPassword.toBase64()), `${name} has no salted password`);
    }
  }));

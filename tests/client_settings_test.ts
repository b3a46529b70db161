/**
 * Client quotas and SCRAM credentials on running brokers: every shard answers them, they are there after a restart and after a kill, and
 * nothing that a password can be guessed from is logged.
 */
import assert from "node:assert/strict";
import { startBroker } from "../mod.ts";
import {
  describeClientQuotasRequest,
  describeClientQuotasResponse,
} from "../net/protocol/messages/48_describe_client_quotas.ts";
import {
  alterClientQuotasRequest,
  alterClientQuotasResponse,
} from "../net/protocol/messages/49_alter_client_quotas.ts";
import {
  describeUserScramCredentialsRequest,
  describeUserScramCredentialsResponse,
} from "../net/protocol/messages/50_describe_user_scram_credentials.ts";
import {
  alterUserScramCredentialsRequest,
  alterUserScramCredentialsResponse,
} from "../net/protocol/messages/51_alter_user_scram_credentials.ts";
import { quotaEntry, upsertion } from "../partitions/metadata/settings/settings_testing.ts";
import { BrokerProcess } from "./broker_process.ts";
import { KafkaClient } from "./kafka_client.ts";
import { withDirectory } from "./temporary_directory.ts";

async function alterQuotas(client: KafkaClient, ...entries: ReturnType<typeof quotaEntry>[]): Promise<number[]> {
  const of = { apiVersion: 1, value: { entries, validateOnly: false } };
  const answer = await client.call(alterClientQuotasRequest, alterClientQuotasResponse, of);
  return answer.entries.map(({ errorCode }) => errorCode);
}

async function alterUsers(client: KafkaClient, upsertions: ReturnType<typeof upsertion>[], deletions: string[] = []) {
  const value = { upsertions, deletions: deletions.map((name) => ({ name, mechanism: 1 })) };
  const of = { apiVersion: 0, value };
  const answer = await client.call(alterUserScramCredentialsRequest, alterUserScramCredentialsResponse, of);
  return answer.results.map(({ errorCode }) => errorCode);
}

/** All quotas and credentials, as a broker answers them. */
async function described(client: KafkaClient) {
  const value = { components: [], strict: false };
  const of = { apiVersion: 1, value };
  const { entries } = await client.call(describeClientQuotasRequest, describeClientQuotasResponse, of);
  const all = { apiVersion: 0, value: { users: null } };
  const { results } = await client.call(describeUserScramCredentialsRequest, describeUserScramCredentialsResponse, all);
  const quotas = entries?.map(({ entity, values }) =>
    [
      entity.map(({ entityType, entityName }) => `${entityType} ${entityName}`).join(", "),
      ...values.map(({ key, value }) => `${key}=${value}`),
    ].join(" ")
  );
  const users = results.map(({ user, credentialInfos }) =>
    [user, ...credentialInfos.map(({ mechanism, iterations }) => `${mechanism}:${iterations}`)].join(" ")
  );
  return [quotas?.sort(), users.sort()];
}

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

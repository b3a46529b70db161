/** Requests that change and describe client quotas and SCRAM credentials, short to write. Test code. */
import { strict as assert } from "node:assert";
import { errorCode } from "../net/protocol/error_codes.ts";
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
import { quotaEntry, type upsertion } from "../partitions/metadata/settings/settings_testing.ts";
import type { KafkaClient } from "./kafka_client.ts";

/** Changes quotas. @returns error codes */
export async function alterQuotas(client: KafkaClient, ...entries: ReturnType<typeof quotaEntry>[]): Promise<number[]> {
  return (await alter(client, entries)).map(({ errorCode }) => errorCode);
}

/** Changes quotas of one entity, as for `quotaEntry()`. @throws AssertionError when it was refused */
export async function setQuotas(client: KafkaClient, ...entry: Parameters<typeof quotaEntry>): Promise<void> {
  const [result] = await alter(client, [quotaEntry(...entry)]);
  assert.equal(result?.errorCode, errorCode.NONE, result?.errorMessage ?? "");
}

async function alter(client: KafkaClient, entries: ReturnType<typeof quotaEntry>[]) {
  const of = { apiVersion: 1, value: { entries, validateOnly: false } };
  return (await client.call(alterClientQuotasRequest, alterClientQuotasResponse, of)).entries;
}

/** Sets credentials, and deletes those of SCRAM-SHA-256. @returns error codes */
export async function alterUsers(
  client: KafkaClient,
  upsertions: ReturnType<typeof upsertion>[],
  deletions: string[] = [],
) {
  const value = { upsertions, deletions: deletions.map((name) => ({ name, mechanism: 1 })) };
  const of = { apiVersion: 0, value };
  const answer = await client.call(alterUserScramCredentialsRequest, alterUserScramCredentialsResponse, of);
  return answer.results.map(({ errorCode }) => errorCode);
}

/** All quotas and credentials, as a broker answers them. */
export async function described(client: KafkaClient) {
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

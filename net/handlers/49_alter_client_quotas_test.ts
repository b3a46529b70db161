import assert from "node:assert/strict";
import { unpackQuotas } from "../../partitions/metadata/settings/packed_settings.ts";
import { quotaEntry } from "../../partitions/metadata/settings/settings_testing.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
} from "../protocol/messages/49_alter_client_quotas.ts";
import { alterClientQuotasApi, handleAlterClientQuotas } from "./49_alter_client_quotas.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const request: AlterClientQuotasRequest = {
  entries: [
    quotaEntry({ user: "u", "client-id": null }, { producer_byte_rate: 2 ** 53, consumer_byte_rate: null }),
    quotaEntry({ ip: "::1" }, { connection_creation_rate: 0.5 }),
  ],
  validateOnly: true,
};

function handle(asked: AlterClientQuotasRequest, version = 1) {
  const { services, calls } = testServices();
  const exchange = new WireExchange<AlterClientQuotasResponse>(49, version);
  handleAlterClientQuotas(asked, exchange, services);
  return { exchange, calls };
}

for (const version of servedVersions(49)) {
  Deno.test(`handleAlterClientQuotas() v${version} asks the control plane, and answers what it says`, () => {
    const { exchange, calls: [call] } = handle(request, version);
    const { packed } = call?.args as { packed: Uint8Array<ArrayBuffer> };
    assert.deepEqual([call?.name, unpackQuotas(packed)], ["alterClientQuotas", request]);
    const entries = request.entries.map(({ entity }, index) => ({
      ...{ errorCode: index * errorCode.INVALID_REQUEST, errorMessage: index === 0 ? null : "why", entity },
    }));
    call?.answer(entries);
    assert.deepEqual(exchange.answer.entries, entries);
  });
}

Deno.test("handleAlterClientQuotas() refuses every entity when the control plane failed, and answers nothing at once", () => {
  const { exchange, calls: [call] } = handle(request);
  call?.answer({ failure: "etcd is gone" });
  const refusal = { errorCode: errorCode.UNKNOWN_SERVER_ERROR, errorMessage: "etcd is gone" };
  assert.deepEqual(exchange.answer.entries, request.entries.map(({ entity }) => ({ ...refusal, entity })));
  const { exchange: empty, calls } = handle({ entries: [], validateOnly: false });
  assert.deepEqual([empty.answer.entries, calls], [[], []]);
});

Deno.test("AlterClientQuotas needs the right to change the cluster's configs", () => {
  assert.equal(alterClientQuotasApi.needs?.operation, "ALTER_CONFIGS");
  const exchange = new WireExchange<AlterClientQuotasResponse>(49, 1);
  exchange.respond(alterClientQuotasApi.needs?.refuse(request as never, 1) as AlterClientQuotasResponse);
  const codes = exchange.answer.entries.map(({ errorCode: code }) => code);
  assert.deepEqual(codes, [errorCode.CLUSTER_AUTHORIZATION_FAILED, errorCode.CLUSTER_AUTHORIZATION_FAILED]);
});

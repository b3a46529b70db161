import assert from "node:assert/strict";
import { type PackedAlterations, unpackAlterations } from "../../partitions/metadata/configs/packed_alterations.ts";
import { errorCode } from "../protocol/error_codes.ts";
import type { AlterConfigsResponse } from "../protocol/messages/33_alter_configs.ts";
import { handleAlterConfigs } from "./33_alter_configs.ts";
import { handleIncrementalAlterConfigs } from "./44_incremental_alter_configs.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const [TOPIC, GROUP] = [2, 32];

/** A call to the control plane, with its alterations unpacked. */
function asked({ name, args }: { name: string; args: unknown }) {
  const packed = args as PackedAlterations;
  return [name, { resources: unpackAlterations(packed), validateOnly: packed.validateOnly }];
}

for (const version of servedVersions(33)) {
  Deno.test(`handleAlterConfigs() v${version} asks to replace all configs and answers in the order of the request`, () => {
    const { services, calls } = testServices();
    const exchange = new WireExchange<AlterConfigsResponse>(33, version);
    const resources = [
      { resourceType: TOPIC, resourceName: "t", configs: [{ name: "segment.ms", value: "5" }] },
      { resourceType: GROUP, resourceName: "g", configs: [] },
    ];
    handleAlterConfigs({ resources, validateOnly: true }, exchange, services);
    const operations = [{ name: "segment.ms", value: "5", configOperation: 0 }];
    assert.deepEqual(calls.map(asked), [["alterConfigs", {
      validateOnly: true,
      resources: [
        { resourceType: TOPIC, resourceName: "t", operations, replacesAll: true },
        { resourceType: GROUP, resourceName: "g", operations: [], replacesAll: true },
      ],
    }]]);
    calls[0]?.answer([
      { errorCode: errorCode.INVALID_CONFIG, errorMessage: "no" },
      { errorCode: errorCode.NONE, errorMessage: null },
    ]);
    assert.deepEqual(exchange.answer.responses, [
      { errorCode: errorCode.INVALID_CONFIG, errorMessage: "no", resourceType: TOPIC, resourceName: "t" },
      { errorCode: errorCode.NONE, errorMessage: null, resourceType: GROUP, resourceName: "g" },
    ]);
  });
}

for (const version of servedVersions(44)) {
  Deno.test(`handleIncrementalAlterConfigs() v${version} forwards the operations, and reports a failure for every resource`, () => {
    const { services, calls } = testServices();
    const exchange = new WireExchange<AlterConfigsResponse>(44, version);
    const configs = [{ name: "segment.ms", configOperation: 1, value: null }, {
      name: "cleanup.policy",
      configOperation: 2,
      value: "compact",
    }];
    const resource = { resourceType: TOPIC, resourceName: "t" };
    handleIncrementalAlterConfigs({ resources: [{ ...resource, configs }], validateOnly: false }, exchange, services);
    const operations = configs.map(({ name, configOperation, value }) => ({ name, configOperation, value }));
    const resources = [{ ...resource, operations, replacesAll: false }];
    assert.deepEqual(calls.map(asked), [["alterConfigs", { resources, validateOnly: false }]]);
    calls[0]?.answer({ failure: "the disk is full" });
    const failed = { errorCode: errorCode.UNKNOWN_SERVER_ERROR, errorMessage: "the disk is full" };
    assert.deepEqual(exchange.answer.responses, [{ ...failed, ...resource }]);
  });
}

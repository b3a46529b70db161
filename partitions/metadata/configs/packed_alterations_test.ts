import assert from "node:assert/strict";
import { configOperations } from "./config_operations.ts";
import { packAlterations, unpackAlterations } from "./packed_alterations.ts";

Deno.test("unpackAlterations() gives what was packed: texts of any length and language, null values, no configs", () => {
  const configs = [
    { name: "", configOperation: configOperations.delete, value: null },
    { name: "größe-尺寸", configOperation: configOperations.append, value: "" },
    { name: "n".repeat(32_767), configOperation: -128, value: "v".repeat(32_767) },
  ];
  const resources = [{ resourceType: -1, resourceName: "尺", configs }, {
    resourceType: 2,
    resourceName: "t",
    configs: [],
  }];
  for (const replacesAll of [true, false]) {
    const packed = packAlterations({ resources, validateOnly: !replacesAll }, replacesAll);
    assert.equal(packed.validateOnly, !replacesAll);
    assert.deepEqual(
      unpackAlterations(structuredClone(packed)),
      resources.map(({ resourceType, resourceName, configs: operations }) => {
        return { resourceType, resourceName, operations, replacesAll };
      }),
    );
  }
});

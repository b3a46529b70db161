/** The table against the declarations, and what ApiVersions reports. */
import { deepEqual, equal } from "node:assert/strict";
import { advertisedApis, apiByKey, apis, isServed } from "./api_table.ts";

Deno.test("apis name the messages of their key, in all served versions, by ascending key", () => {
  let previous = -1;
  for (const row of apis) {
    equal(row.key > previous, true, row.name);
    previous = row.key;
    for (const { apiKey, versions: { min, max } } of [row.request, row.response]) {
      deepEqual([apiKey, min, max], [row.key, ...row.served], row.name);
    }
    deepEqual(row.request.flexible, row.response.flexible, row.name);
  }
});

Deno.test("advertisedApis() is the served range, but Produce from 0 (librdkafka#4956)", () => {
  const listed = advertisedApis();
  equal(listed.length, apis.length);
  for (const { apiKey, minVersion, maxVersion } of listed) {
    const [min, max] = apiByKey(apiKey)!.served;
    deepEqual([minVersion, maxVersion], [apiKey === 0 ? 0 : min, max]);
  }
});

Deno.test("apiByKey() and isServed() refuse what is not in the table", () => {
  for (const key of [-1, 4, 7, 999, 32767]) equal(apiByKey(key), undefined);
  const produce = apiByKey(0)!;
  deepEqual([2, 3, 13, 14].map((version) => isServed(produce, version)), [false, true, true, false]);
});

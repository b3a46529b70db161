/** Compares the rows of APIs with the declarations of their messages. */
import { deepEqual, equal } from "node:assert/strict";
import { apis } from "./mod.ts";

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

Deno.test("apis advertise the served range, but Produce from 0 (librdkafka#4956), and nothing of APIs between brokers", () => {
  const betweenBrokers = [62, 63];
  for (const { key, served: [min, max], advertised } of apis) {
    deepEqual(advertised, betweenBrokers.includes(key) ? null : [key === 0 ? 0 : min, max]);
  }
});

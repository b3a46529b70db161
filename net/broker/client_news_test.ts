import assert from "node:assert/strict";
import type { ImageDelta } from "../../partitions/control.ts";
import { clientSentences } from "./client_news.ts";

Deno.test("clientSentences() says whose quotas and credentials have changed, and what they are now", () => {
  const clientQuotas: ImageDelta["clientQuotas"] = [
    { entity: { user: "alice", "client-id": null }, values: { producer_byte_rate: 1024, request_percentage: 0.5 } },
    { entity: { ip: "::1" }, values: {} },
  ];
  const scramUsers: ImageDelta["scramUsers"] = [
    { name: "alice", iterations: { "SCRAM-SHA-256": 4096 } },
    { name: "bob", iterations: {} },
  ];
  assert.deepEqual(clientSentences({ clientQuotas, scramUsers }), [
    [
      "Quotas of user alice with the default client id are now: producer_byte_rate=1024, request_percentage=0.5",
      { user: "alice" },
    ],
    ["Quotas of address ::1 are now: none", { ip: "::1" }],
    ["Credentials of user alice are now: SCRAM-SHA-256 (4096 iterations)", { user: "alice" }],
    ["Credentials of user bob are now: none", { user: "bob" }],
  ]);
  assert.deepEqual(clientSentences({}), []);
});

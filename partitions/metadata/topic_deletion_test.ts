import assert from "node:assert/strict";
import { errorCode, errorName } from "../../net/protocol/error_codes.ts";
import { ZERO_UUID } from "../../net/protocol/text_cache.ts";
import { planDeletion, refuseDeletion } from "./topic_deletion.ts";

const A = { name: "a", id: "MTIzNDU2Nzg5MDEyMzQ1Ng" };
const B = { name: "b", id: "YWFhYWFhYWFhYWFhYWFhYQ" };
const UNKNOWN_ID = "YmJiYmJiYmJiYmJiYmJiYg";

const lookup = {
  topic: (name: string) => [A, B].find((topic) => topic.name === name),
  topicById: (id: string) => [A, B].find((topic) => topic.id === id),
};

function plan(...topics: [name: string | null, topicId: string][]) {
  const request = { topics: topics.map(([name, topicId]) => ({ name, topicId })), topicNames: [], timeoutMs: 1 };
  const { ids, results } = planDeletion(request, lookup);
  return { ids, results: results.map(({ name, topicId, errorCode: code }) => [name, topicId, errorName(code)]) };
}

Deno.test("planDeletion() finds topics by name and by id, and answers with both", () => {
  assert.deepEqual(plan(["a", ZERO_UUID], [null, B.id]), {
    ids: [A.id, B.id],
    results: [["a", A.id, "NONE"], ["b", B.id, "NONE"]],
  });
});

Deno.test("planDeletion() distinguishes an unknown name from an unknown id", () => {
  assert.deepEqual(plan(["c", ZERO_UUID], [null, UNKNOWN_ID]), {
    ids: [],
    results: [["c", ZERO_UUID, "UNKNOWN_TOPIC_OR_PARTITION"], [null, UNKNOWN_ID, "UNKNOWN_TOPIC_ID"]],
  });
});

Deno.test("planDeletion() refuses a topic with neither name nor id, with both, or named twice, and deletes none of these", () => {
  assert.deepEqual(
    plan([null, ZERO_UUID], ["a", A.id], ["b", ZERO_UUID], ["b", ZERO_UUID], [null, A.id], [null, A.id]),
    {
      ids: [],
      results: [
        [null, ZERO_UUID, "INVALID_REQUEST"],
        ["a", A.id, "INVALID_REQUEST"],
        ["b", ZERO_UUID, "INVALID_REQUEST"],
        [null, A.id, "INVALID_REQUEST"],
      ],
    },
  );
});

Deno.test("planDeletion() refuses a topic that a request names both by its id and by its name", () => {
  assert.deepEqual(plan(["a", ZERO_UUID], [null, A.id], [null, B.id]), {
    ids: [B.id],
    results: [["a", A.id, "INVALID_REQUEST"], ["b", B.id, "NONE"]],
  });
});

Deno.test("refuseDeletion() answers every topic of every version with the same code", () => {
  const request = { topics: [{ name: null, topicId: A.id }], topicNames: ["x"], timeoutMs: 1 };
  const { ids, results } = refuseDeletion(request, errorCode.TOPIC_DELETION_DISABLED);
  assert.deepEqual(ids, []);
  assert.deepEqual(results.map(({ name, topicId, errorCode: code }) => [name, topicId, code]), [
    ["x", ZERO_UUID, errorCode.TOPIC_DELETION_DISABLED],
    [null, A.id, errorCode.TOPIC_DELETION_DISABLED],
  ]);
});

import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { CreateTopicsRequest, CreateTopicsResponse } from "../protocol/messages/19_create_topics.ts";
import { ZERO_UUID } from "../protocol/text_cache.ts";
import { handleCreateTopics } from "./19_create_topics.ts";
import { servedVersions, testServices, TOPIC_ID, WireExchange } from "./handler_testing.ts";

const request: CreateTopicsRequest = {
  topics: [{ name: "t", numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }],
  timeoutMs: 1000,
  validateOnly: false,
};

const config = { name: "retention.ms", value: null, readOnly: false, configSource: 1, isSensitive: true };

for (const version of servedVersions(19)) {
  Deno.test(`handleCreateTopics() v${version} forwards the request and answers in its own version's shape`, () => {
    const { services, calls } = testServices();
    const exchange = new WireExchange<CreateTopicsResponse>(19, version);
    handleCreateTopics(request, exchange, services);
    assert.equal(exchange.isAnswered, false);
    const client = { principal: "User:ANONYMOUS", clientId: "test", isStrict: version >= 6 };
    const args = { request, apiVersion: version, client };
    assert.deepEqual(calls.map((call) => [call.name, call.args]), [["createTopics", args]]);
    calls[0]?.answer({
      throttleTimeMs: 900,
      topics: [
        {
          name: "t",
          topicId: TOPIC_ID,
          errorCode: 0,
          errorMessage: null,
          numPartitions: 2,
          replicationFactor: 1,
          configs: [config],
        },
        { name: "u", errorCode: errorCode.INVALID_PARTITIONS, errorMessage: "none", configs: [] },
      ],
    });
    const [created, refused] = exchange.answer.topics;
    assert.deepEqual([created?.name, created?.errorCode, created?.errorMessage], ["t", errorCode.NONE, null]);
    assert.equal(created?.topicId, version >= 7 ? TOPIC_ID : ZERO_UUID);
    assert.deepEqual([created?.numPartitions, created?.replicationFactor], version >= 5 ? [2, 1] : [-1, -1]);
    assert.deepEqual(created?.configs, version >= 5 ? [config] : []);
    assert.deepEqual([refused?.errorCode, refused?.errorMessage], [errorCode.INVALID_PARTITIONS, "none"]);
    assert.equal(exchange.throttledMs, 900);
  });
}

Deno.test("handleCreateTopics() answers every topic with the failure's sentence when the control plane failed", () => {
  const { services, calls } = testServices();
  const exchange = new WireExchange<CreateTopicsResponse>(19, 7);
  handleCreateTopics(request, exchange, services);
  calls[0]?.answer({ failure: "the disk is full" });
  const [topic] = exchange.answer.topics;
  assert.deepEqual([topic?.name, topic?.errorCode, topic?.errorMessage], [
    "t",
    errorCode.UNKNOWN_SERVER_ERROR,
    "the disk is full",
  ]);
});

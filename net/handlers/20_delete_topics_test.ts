import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { DeleteTopicsRequest, DeleteTopicsResponse } from "../protocol/messages/20_delete_topics.ts";
import { ZERO_UUID } from "../protocol/text_cache.ts";
import { handleDeleteTopics } from "./20_delete_topics.ts";
import { servedVersions, testServices, TOPIC_ID, topicImage, WireExchange } from "./handler_testing.ts";

function requestOf(version: number): DeleteTopicsRequest {
  return version >= 6
    ? { topics: [{ name: "a", topicId: ZERO_UUID }, { name: null, topicId: TOPIC_ID }], topicNames: [], timeoutMs: 1 }
    : { topics: [], topicNames: ["a", "b"], timeoutMs: 1 };
}

for (const version of servedVersions(20)) {
  Deno.test(`handleDeleteTopics() v${version} forwards names and ids and answers in its own version's shape`, () => {
    const { services, calls } = testServices([topicImage("a", TOPIC_ID)]);
    const exchange = new WireExchange<DeleteTopicsResponse>(20, version);
    handleDeleteTopics(requestOf(version), exchange, services);
    const args = calls[0]?.args as { request: DeleteTopicsRequest; apiVersion: number };
    assert.equal(args.apiVersion, version);
    assert.equal((calls[0]?.args as { client: { isStrict: boolean } }).client.isStrict, version >= 5);
    const second = version >= 6 ? { name: null, topicId: TOPIC_ID } : { name: "b", topicId: ZERO_UUID };
    assert.deepEqual(args.request.topics, [{ name: "a", topicId: ZERO_UUID }, second]);
    assert.deepEqual(args.request.topicNames, []);
    calls[0]?.answer({
      responses: [
        { name: "a", topicId: TOPIC_ID, errorCode: errorCode.NONE, errorMessage: null },
        { name: version >= 6 ? null : "b", topicId: ZERO_UUID, errorCode: 3, errorMessage: "unknown" },
      ],
    });
    const [deleted, refused] = exchange.answer.responses;
    assert.deepEqual([deleted?.name, deleted?.errorCode], ["a", errorCode.NONE]);
    assert.equal(deleted?.topicId, version >= 6 ? TOPIC_ID : ZERO_UUID);
    assert.equal(refused?.errorCode, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
    assert.equal(refused?.errorMessage, version >= 5 ? "unknown" : null);
  });

  Deno.test(`handleDeleteTopics() v${version} answers every topic when the control plane failed`, () => {
    const { services, calls } = testServices();
    const exchange = new WireExchange<DeleteTopicsResponse>(20, version);
    handleDeleteTopics(requestOf(version), exchange, services);
    calls[0]?.answer({ failure: "the disk is full" });
    const codes = exchange.answer.responses.map(({ errorCode: code }) => code);
    assert.deepEqual(codes, [errorCode.UNKNOWN_SERVER_ERROR, errorCode.UNKNOWN_SERVER_ERROR]);
  });
}

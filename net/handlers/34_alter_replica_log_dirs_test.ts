import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { AlterReplicaLogDirsResponse } from "../protocol/messages/34_alter_replica_log_dirs.ts";
import { handleAlterReplicaLogDirs } from "./34_alter_replica_log_dirs.ts";
import { servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const request = {
  dirs: [
    { path: "/a", topics: [{ name: "t", partitions: [1, 0] }, { name: "u", partitions: [2] }] },
    { path: "/b", topics: [{ name: "t", partitions: [3] }] },
  ],
};

for (const version of servedVersions(34)) {
  Deno.test(`handleAlterReplicaLogDirs() v${version} asks for every partition and answers in the order of the request`, () => {
    const { services, calls } = testServices();
    const exchange = new WireExchange<AlterReplicaLogDirsResponse>(34, version);
    handleAlterReplicaLogDirs(request, exchange, services);
    const moves = [["t", 1, "/a"], ["t", 0, "/a"], ["u", 2, "/a"], ["t", 3, "/b"]];
    assert.deepEqual(calls.map(({ name, args }) => [name, args]), [
      ["moveReplicas", { moves: moves.map(([topic, partition, path]) => ({ topic, partition, path })) }],
    ]);
    const { NONE, LOG_DIR_NOT_FOUND, REPLICA_NOT_AVAILABLE } = errorCode;
    calls[0]?.answer({ errorCodes: [NONE, REPLICA_NOT_AVAILABLE, NONE, LOG_DIR_NOT_FOUND] });
    assert.deepEqual(exchange.answer.results, [
      {
        topicName: "t",
        partitions: [{ partitionIndex: 1, errorCode: NONE }, { partitionIndex: 0, errorCode: REPLICA_NOT_AVAILABLE }],
      },
      { topicName: "u", partitions: [{ partitionIndex: 2, errorCode: NONE }] },
      { topicName: "t", partitions: [{ partitionIndex: 3, errorCode: LOG_DIR_NOT_FOUND }] },
    ]);
  });
}

Deno.test("handleAlterReplicaLogDirs() answers UNKNOWN_SERVER_ERROR for every partition when the control plane failed", () => {
  const { services, calls } = testServices();
  const exchange = new WireExchange<AlterReplicaLogDirsResponse>(34, 2);
  handleAlterReplicaLogDirs(request, exchange, services);
  calls[0]?.answer({ failure: "the disk is full" });
  const codes = exchange.answer.results.flatMap(({ partitions }) => partitions.map(({ errorCode: code }) => code));
  assert.deepEqual(codes, new Array(4).fill(errorCode.UNKNOWN_SERVER_ERROR));
});

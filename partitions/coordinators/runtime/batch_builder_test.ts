/** Batches of group records, built and read back. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { RecordRunReader } from "../../../storage/mod.ts";
import {
  decodeGroupRecord,
  GROUP_RECORD_BYTES_MAX,
  type GroupRecord,
  groupRecordCodec,
} from "../groups/records/group_record.ts";
import { BatchBuilder } from "./batch_builder.ts";
import type { Batch } from "./long_batch.ts";

const NOW_MS = 1_700_000_000_000;

function commit(partition: number, metadata = ""): GroupRecord {
  return {
    kind: "offset-commit",
    key: { group: "g", topic: "t", partition },
    value: {
      offset: 2 ** 40 + partition,
      leaderEpoch: -1,
      metadata,
      commitTimestamp: NOW_MS,
      expireTimestamp: -1,
      topicId: "fhD4cF5RQ_apMgxL_J9Wvg",
    },
  };
}

function group(subscription: Uint8Array): GroupRecord {
  const member = { memberId: "m", groupInstanceId: null, clientId: "c", clientHost: "/h", rebalanceTimeout: 1 };
  return {
    kind: "group-metadata",
    key: { group: "g" },
    value: {
      protocolType: "consumer",
      generation: 1,
      protocol: "range",
      leader: "m",
      currentStateTimestamp: NOW_MS,
      members: [{ ...member, sessionTimeout: 1, subscription, assignment: new Uint8Array(0) }],
    },
  };
}

function read({ memory, start, length }: Batch): (GroupRecord | null)[] {
  const reader = new RecordRunReader(memory, start, start + length);
  const found: (GroupRecord | null)[] = [];
  while (reader.next()) {
    equal(reader.offset, found.length);
    equal(reader.timestamp, NOW_MS);
    found.push(decodeGroupRecord(reader.key(), reader.value()));
  }
  equal(reader.damage, null);
  return found;
}

Deno.test("build() makes a batch that holds the records, small and large, in several batches after each other", () => {
  const builder = new BatchBuilder(groupRecordCodec);
  const options = { timestampMs: NOW_MS, batchBytesMax: 1 << 23 };
  const tombstone: GroupRecord = { kind: "group-metadata", key: { group: "g" }, value: null };
  for (const count of [1, 500, 3, 20000, 2]) {
    const records: GroupRecord[] = [
      tombstone,
      ...Array.from({ length: count }, (_, index) => commit(index, "m".repeat(index % 50))),
    ];
    deepEqual(read(builder.build(records, options)!), records);
  }
  const large = [group(new Uint8Array(4 << 20).fill(7))];
  deepEqual(read(builder.build(large, options)!), large);
});

Deno.test("build() makes no batch larger than allowed", () => {
  const builder = new BatchBuilder(groupRecordCodec);
  const records = [commit(0), commit(1)];
  const { length } = builder.build(records, { timestampMs: NOW_MS, batchBytesMax: 1000 })!;
  ok(builder.build(records, { timestampMs: NOW_MS, batchBytesMax: length }) !== null);
  equal(builder.build(records, { timestampMs: NOW_MS, batchBytesMax: length - 1 }), null);
});

Deno.test("build() refuses a record that no batch could hold, without throwing", () => {
  const builder = new BatchBuilder(groupRecordCodec);
  const records = [commit(0), group(new Uint8Array(GROUP_RECORD_BYTES_MAX))];
  equal(builder.build(records, { timestampMs: NOW_MS, batchBytesMax: Number.MAX_SAFE_INTEGER }), null);
});

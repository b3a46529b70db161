/**
 * Batches of a few kilobytes that unpack to 100 MB, in every codec, for topics of every `compression.type`: alone, from several connections,
 * in pipelines. The broker must live, stay within its memory, and serve honest clients. BARNABAS_SLOW=1 runs all of them.
 */
import { produceApi } from "../../net/handlers/00_produce.ts";
import { produceRequest } from "../../net/protocol/messages/00_produce.ts";
import { listOffsetsRequest } from "../../net/protocol/messages/02_list_offsets.ts";
import { listOffsetsApi } from "../../net/handlers/02_list_offsets.ts";
import { frameOf, KafkaClient } from "../kafka_client.ts";
import { create, produceTo } from "../topic_requests.ts";
import { type HostileRequest, sendPipelined } from "./attacks.ts";
import assert from "node:assert/strict";
import { type BombCodec, type BombRecords, codecBomb } from "./codec_bombs.ts";
import { prepareVictim } from "./preparations.ts";
import { Siege } from "./siege.ts";
import type { Victim } from "./victim_process.ts";

const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const MEGABYTE = 1024 * 1024;
/** What bombs may take: once their 100 MB, never twice. The rest is workers, a window, what compresses, and a margin. */
const BOMB_BYTES_MAX = 210 * MEGABYTE;
const VERSION = 9;

/** Topics by how they compress. Batches are as large as bombs may need: a bare block of snappy unpacks to 22 times its size. */
const TOPICS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  producer: {},
  uncompressed: { "compression.type": "uncompressed" },
  gzip: { "compression.type": "gzip", "compression.gzip.level": "1" },
  snappy: { "compression.type": "snappy" },
  lz4: { "compression.type": "lz4" },
  zstd: { "compression.type": "zstd" },
  zstd22: { "compression.type": "zstd", "compression.zstd.level": "22" },
};
const MAX_MESSAGE_BYTES = "6000000";

async function prepare(victim: Victim): Promise<{ idleBytes: number }> {
  await prepareVictim(victim);
  using client = await KafkaClient.connect(victim);
  for (const [name, configs] of Object.entries(TOPICS)) {
    await create(client, name, 1, { ...configs, "max.message.bytes": MAX_MESSAGE_BYTES });
  }
  await victim.waitUntilIdle();
  return { idleBytes: victim.residentBytes };
}

function produce(topic: string, bomb: Uint8Array): HostileRequest {
  const frame = frameOf(produceRequest, { apiVersion: VERSION, correlationId: 1 }, produceTo(topic, 0, bomb, 1));
  return { api: produceApi, version: VERSION, frame };
}

/** Asks for the offset of the last millisecond at which a bomb has a record. */
function searchByTime(topic: string): HostileRequest {
  const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: Date.now() - 3_600_000 }];
  const value = { replicaId: -1, isolationLevel: 0, topics: [{ name: topic, partitions }], timeoutMs: 0 };
  const frame = frameOf(listOffsetsRequest, { apiVersion: 7, correlationId: 1 }, value);
  return { api: listOffsetsApi, version: 7, frame };
}

interface Bombing {
  readonly codec: BombCodec;
  readonly records: BombRecords;
  readonly topic: string;
  readonly connections: number;
  readonly requests: number;
}

function* bombings(): Generator<Bombing> {
  yield { codec: "zstd", records: "one", topic: "producer", connections: 4, requests: isSlow ? 500 : 8 };
  yield { codec: "wide-zstd", records: "one", topic: "gzip", connections: 2, requests: 1 };
  yield { codec: "lz4", records: "one", topic: "zstd22", connections: 2, requests: 1 };
  yield { codec: "zstd", records: "gaps", topic: "lz4", connections: 1, requests: 2 };
  if (!isSlow) return;
  for (const codec of ["gzip", "snappy", "lz4", "zstd", "wide-zstd"] as const) {
    for (const records of ["one", "tiny", "gaps"] as const) {
      for (const topic of Object.keys(TOPICS)) yield { codec, records, topic, connections: 2, requests: 2 };
    }
  }
}

Deno.test("hostile: batches that unpack to 100 MB", async () => {
  const report = Deno.env.get("BARNABAS_HOSTILE_REPORT");
  const failures: string[] = [];
  await using siege = new Siege(prepare);
  for (const { codec, records, topic, ...pattern } of bombings()) {
    const request = produce(topic, codecBomb(codec, records));
    const { complaints, figures } = await siege.attack(async (field) => {
      await sendPipelined(field, request, pattern);
      await sendPipelined(field, searchByTime(topic), { connections: 1, requests: 20 });
      const grownBytes = field.victim.peakBytes - field.context.idleBytes;
      if (grownBytes > BOMB_BYTES_MAX) field.complain(`RSS +${Math.round(grownBytes / MEGABYTE)} MB`);
    });
    const name = `${codec}, ${records}, to ${topic}, ${pattern.connections} × ${pattern.requests}`;
    if (report !== undefined) await Deno.writeTextFile(report, `${name}: ${figures}\n`, { append: true });
    failures.push(...complaints.map((complaint) => `${name}: ${complaint}`));
  }
  assert.deepEqual(failures, []);
});

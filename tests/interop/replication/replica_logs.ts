/** Reads the logs of all replicas from the data directories of brokers that have stopped. Main isolate of a test. */
import { batchesOf, recordsOfBatch } from "../../../bench/peer/wire_bytes.ts";
import { partitionFiles } from "../broker.ts";
import type { ReplicaBatch, ReplicaLog } from "./history.ts";

/** Where a batch has the epoch of the leader that wrote it. */
const LEADER_EPOCH_AT = 12;

const decoder = new TextDecoder();

/**
 * Reads a replica.
 * @param of the broker's data directory, the topic, the partition
 */
export function readReplica(
  broker: number,
  of: { readonly dataDir: string; readonly topic: string; readonly partition: number },
): ReplicaLog {
  const batches: ReplicaBatch[] = [];
  const damage: string[] = [];
  for (const { path, bytes } of partitionFiles(of.dataDir, `${of.topic}-${of.partition}`, ".log")) {
    let length = 0;
    for (const batch of batchesOf(bytes)) {
      length += batch.bytes.length;
      if (!batch.crcMatches) damage.push(`${path}: wrong checksum of the batch at offset ${batch.baseOffset}`);
      const view = new DataView(batch.bytes.buffer, batch.bytes.byteOffset, batch.bytes.byteLength);
      batches.push({
        baseOffset: batch.baseOffset,
        lastOffset: batch.baseOffset + batch.recordsCount - 1,
        leaderEpoch: view.getInt32(LEADER_EPOCH_AT),
        bytes: batch.bytes,
        values: recordsOfBatch(batch).map(({ value }) => nameOf(decoder.decode(value ?? undefined))),
      });
    }
    if (length !== bytes.length) damage.push(`${path}: ${bytes.length - length} bytes behind the last batch`);
  }
  return { broker, partition: of.partition, batches, damage, highWatermark: checkpointed(of) };
}

/** The part of a record's value that names it: what follows the blank is padding. */
export function nameOf(value: string): string {
  return value.split(" ", 1)[0] as string;
}

/** A line of the checkpoint is "topic partition offset". */
function checkpointed({ dataDir, topic, partition }: { dataDir: string; topic: string; partition: number }): number {
  const lines = Deno.readTextFileSync(`${dataDir}/replication-offset-checkpoint`).split("\n");
  const found = lines.find((line) => line.startsWith(`${topic} ${partition} `));
  return found === undefined ? 0 : Number(found.split(" ")[2]);
}

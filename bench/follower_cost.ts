/**
 * What it costs to follow: user and system time of a shard that takes over a partition, per GB of batches:
 * `deno run -A bench/follower_cost.ts`. The leader runs in a process of its own and sends what it has prepared, 1 MiB an answer (the default
 * of replica.fetch.max.bytes); the shard is the product's, with a real log in `$BARNABAS_BENCH_DIR`, or the system's directory for temporary files.
 */
import process from "node:process";
import { Handoff } from "../net/accept/handoff.ts";
import { decodeRequestHeader, encodeResponseHeader } from "../net/protocol/headers.ts";
import { fetchRequest, fetchResponse } from "../net/protocol/messages/01_fetch.ts";
import { Reader } from "../net/protocol/reader.ts";
import { Writer } from "../net/protocol/writer.ts";
import { FollowingWorld } from "../net/shards/fetching/shard_fetching_testing.ts";
import { linuxFileSystem } from "../storage/mod.ts";
import { leaderBatch } from "../tests/leader_batches.ts";
import { testConfig } from "../tests/log_fixture.ts";
import { concatBytes } from "../tests/record_batch_builder.ts";

const GB = 1_000_000_000;
const ANSWER_BYTES = 1024 * 1024;
/** Sizes of the batches, in bytes. */
const BATCH_BYTES = [1024, 16 * 1024, 256 * 1024, 1024 * 1024];
const RECORDS_PER_BATCH = 2;
const EPOCH = 4;
const ROUNDS = 3;
/** V8 compiles what is hot, and the kernel finds pages. */
const WARM_UP_BYTES = GB / 2;

/** The leader's process: says its port, then answers every fetch with the next batches. */
async function lead(batchBytes: number): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  print(String(listener.addr.port));
  const batch = leaderBatch({ baseOffset: 0, epoch: EPOCH, valueBytes: batchBytes / RECORDS_PER_BATCH - 50 }).bytes;
  const count = Math.max(1, Math.floor(ANSWER_BYTES / batch.length));
  const records = concatBytes(Array.from({ length: count }, () => batch));
  for await (const connection of listener) {
    connection.setNoDelay(true);
    let frame: { bytes: Uint8Array; recordsAt: number; correlationAt: number } | null = null;
    while (true) {
      const size = await read(connection, 4);
      if (size === null) break;
      const body = await read(connection, new DataView(size.buffer).getInt32(0));
      if (body === null) break;
      const reader = new Reader(body);
      const { correlationId } = decodeRequestHeader(reader, () => fetchRequest);
      const { topics } = fetchRequest.decode(reader, 17);
      frame ??= frameOf(topics[0]?.topicId ?? "", records);
      const view = new DataView(frame.bytes.buffer);
      view.setInt32(frame.correlationAt, correlationId);
      const from = topics[0]?.partitions[0]?.fetchOffset ?? 0;
      for (let index = 0; index < count; index++) {
        view.setBigInt64(frame.recordsAt + index * batch.length, BigInt(from + index * RECORDS_PER_BATCH));
      }
      if (!await write(connection, frame.bytes)) break;
    }
    connection.close();
  }
}

/** @returns undefined when the follower has gone */
async function unlessGone<Value>(done: Promise<Value>): Promise<Value | undefined> {
  try {
    return await done;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionReset) return undefined;
    throw error;
  }
}

async function write(connection: Deno.TcpConn, bytes: Uint8Array): Promise<boolean> {
  for (let sent = 0; sent < bytes.length;) {
    const count = await unlessGone(connection.write(bytes.subarray(sent)));
    if (count === undefined) return false;
    sent += count;
  }
  return true;
}

async function read(connection: Deno.TcpConn, length: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const count = await unlessGone(connection.read(bytes.subarray(filled)));
    if (count === null || count === undefined) return null;
    filled += count;
  }
  return bytes;
}

function frameOf(topicId: string, records: Uint8Array) {
  const writer = new Writer();
  writer.int32(0);
  encodeResponseHeader(writer, fetchResponse, { apiVersion: 17, correlationId: 0 });
  const partitions = [{ partitionIndex: 0, errorCode: 0, highWatermark: 0, logStartOffset: 0, records }];
  fetchResponse.encode(writer, 17, { errorCode: 0, sessionId: 5, responses: [{ topicId, partitions }] });
  const [{ at: recordsAt } = { at: 0 }] = writer.holes;
  const bytes = writer.toBytes();
  new DataView(bytes.buffer).setInt32(0, bytes.length - 4);
  return { bytes, recordsAt, correlationAt: 4 };
}

/** Follows until so many bytes are in the log. @returns CPU seconds, and seconds, for each GB */
async function follow(port: number, bytes: number): Promise<{ user: number; system: number; elapsed: number }> {
  const path = Deno.makeTempDirSync({ dir: Deno.env.get("BARNABAS_BENCH_DIR"), prefix: "barnabas-bench-" });
  try {
    const config = { ...testConfig, segmentBytes: 1024 ** 3 };
    using world = new FollowingWorld({ config, store: { fs: linuxFileSystem, path } });
    using handoff = new Handoff();
    const socket = await Deno.connect({ hostname: "127.0.0.1", port });
    const isDone = () => world.partition.log.logFilesBytes >= bytes;
    const began = performance.now();
    const before = process.cpuUsage();
    world.handOut(handoff.take(socket));
    world.fixture.shard.run(isDone);
    const { user, system } = process.cpuUsage(before);
    const elapsed = (performance.now() - began) / 1000;
    const gigabytes = world.partition.log.logFilesBytes / GB;
    return { user: user / 1e6 / gigabytes, system: system / 1e6 / gigabytes, elapsed: elapsed / gigabytes };
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function measure(batchBytes: number): Promise<void> {
  const args = ["run", "-A", "--no-check", import.meta.filename ?? "", "--lead", String(batchBytes)];
  const leader = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const reader = leader.stdout.getReader();
  try {
    const { value } = await reader.read();
    const port = Number(new TextDecoder().decode(value));
    await follow(port, WARM_UP_BYTES);
    for (let round = 0; round < ROUNDS; round++) {
      const { user, system, elapsed } = await follow(port, GB);
      const [total, speed] = [(user + system).toFixed(2), (1 / elapsed).toFixed(2)];
      print(`${batchBytes} bytes a batch: ${total} CPU-s per GB (user ${user.toFixed(2)}), ${speed} GB/s`);
    }
  } finally {
    leader.kill();
    await leader.status;
    await reader.cancel();
  }
}

if (Deno.args[0] === "--lead") await lead(Number(Deno.args[1]));
else for (const batchBytes of BATCH_BYTES) await measure(batchBytes);

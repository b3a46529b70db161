import { strict as assert } from "node:assert";
import { message, reportTaken, type RingRecord } from "../../partitions/mod.ts";
import { closeDescriptor } from "../../storage/mod.ts";
import type { ConnectionContext } from "../requests/connection_context.ts";
import { type ConnectionTransfer, sendConnection, takenContextOf, transferOf } from "../shards/connection_transfer.ts";
import type { Connection } from "./connection.ts";
import { PEER, ShardFixture } from "./shard_testing.ts";
import { FETCH, frame, HEADER, SocketPair } from "./socket_testing.ts";

const BROKER_ID = 7;
const SOFTWARE = "apache-kafka-java 4.3.1";

/** Answers requests that belong to shard 1, like those of a client that asks for its partitions alone. */
function belongsElsewhere({ pipeline, affinity, context }: Connection): void {
  context.clientSoftware = SOFTWARE;
  context.brokerId = BROKER_ID;
  for (let requests = 0; affinity.destination === -1; requests++) {
    assert.ok(requests < 100_000);
    affinity.countPartition(1);
    affinity.endRequest();
  }
  pipeline.push({ ...HEADER, correlationId: 0 }, FETCH).respond({ responses: [] });
}

/** The next record that shard 0 sent to shard 1, if there is one. */
function recordForOne({ world }: ShardFixture): RingRecord | null {
  const records: RingRecord[] = [];
  for (const outbox of world.at(0).outboxes) outbox.flush();
  world.at(1).inbox.drain((_sender, { ints, int, ...rest }) => {
    records.push({ ...rest, ints: ints.slice(int, int + 16), int: 0 });
  });
  assert.ok(records.length <= 1);
  return records[0] ?? null;
}

/** Makes shard 0 transfer a connection. @returns what shard 1 receives */
async function transferToOne(fixture: ShardFixture, pair: SocketPair): Promise<ConnectionTransfer> {
  fixture.route = belongsElsewhere;
  await pair.send(frame(0));
  fixture.turn();
  const record = recordForOne(fixture);
  const transfer = record === null ? null : transferOf(record);
  assert.ok(transfer !== null && transfer.context !== undefined, "it was transferred");
  return transfer;
}

Deno.test("Shard transfers the context with its connection, and gets the memory back once the other shard has read it", async () => {
  using fixture = new ShardFixture({ shardsCount: 2 });
  const { arena } = fixture.world.at(0);
  const pair = await fixture.connect();
  const { fd, transfers, peer, context } = await transferToOne(fixture, pair);
  assert.deepEqual([transfers, peer, fixture.shard.connectionsCount], [1, PEER, 0]);
  const text = new TextDecoder().decode(arena.memory.bytes.slice(context!.block, context!.block + context!.length));
  assert.ok(text.includes("User:ANONYMOUS") && text.includes(SOFTWARE));
  const [usedBytes, contextBytes] = [arena.usedBytes, arena.sizeOf(context!.block)];
  const back = fixture.world.at(1).outboxes[0]!;
  reportTaken(back, message.kind.connectionTaken, context!.block);
  back.flush();
  fixture.turn();
  assert.equal(arena.usedBytes, usedBytes - contextBytes);
  closeDescriptor(fd);
});

Deno.test("Shard that receives a connection from another one continues with its context, and reports that it has read it", async () => {
  using fixture = new ShardFixture({ shardsCount: 2 });
  const { world } = fixture;
  const pair = await fixture.connect();
  const { context: sent, ...transfer } = await transferToOne(fixture, pair);
  // Shard 1 transfers it back, so the bytes are in its own arena then.
  const bytes = world.at(0).arena.memory.bytes.slice(sent!.block, sent!.block + sent!.length);
  const block = world.at(1).arena.allocate(bytes.length);
  world.at(1).arena.memory.bytes.set(bytes, block);
  const back = world.at(1).outboxes[0]!;
  sendConnection(back, { ...transfer, transfers: 2, context: { block, length: bytes.length } });
  back.flush();
  let known: ConnectionContext | undefined;
  fixture.route = ({ context, pipeline }) => {
    known = context;
    pipeline.push({ ...HEADER, correlationId: 0 }, FETCH).respond({ responses: [] });
  };
  fixture.turn();
  const record = recordForOne(fixture);
  assert.equal(record === null ? null : takenContextOf(record), block);
  await pair.send(frame(1));
  fixture.turn();
  assert.deepEqual([known?.clientSoftware, known?.principal, known?.brokerId, known?.listenerName], [
    SOFTWARE,
    "User:ANONYMOUS",
    BROKER_ID,
    "PLAINTEXT",
  ]);
});

Deno.test("Shard keeps a connection, and serves it, as long as there is no room for its context", async () => {
  using fixture = new ShardFixture({ shardsCount: 2 });
  const { arena } = fixture.world.at(0);
  const pair = await fixture.connect();
  let requests = 0;
  fixture.route = (connection) => {
    requests++;
    belongsElsewhere(connection);
  };
  const { allocate } = arena;
  const contextBytes = "User:ANONYMOUS".length + SOFTWARE.length + 8;
  arena.allocate = (length) => length === contextBytes ? -1 : allocate.call(arena, length);
  await pair.send(frame(0));
  fixture.turn();
  await pair.send(frame(1));
  fixture.turn();
  assert.deepEqual([requests, fixture.shard.connectionsCount, recordForOne(fixture)], [2, 1, null]);
  arena.allocate = allocate;
  await pair.send(frame(2));
  fixture.turn();
  const record = recordForOne(fixture);
  const transfer = record === null ? null : transferOf(record);
  assert.deepEqual([requests, fixture.shard.connectionsCount, transfer?.transfers], [3, 0, 1]);
  if (transfer !== null) closeDescriptor(transfer.fd);
});

/** A shard for tests that run its turns themselves, with real sockets. Tests only. */
import { strict as assert } from "node:assert";
import { IsolateTable, type Outbox, outboxes, ShardCounters, TurnCounter } from "../../partitions/mod.ts";
import { TestShards } from "../../partitions/owned/partition_testing.ts";
import { type Clock, type FileSystem, linuxFileSystem } from "../../storage/mod.ts";
import { sendConnection } from "../shards/connection_transfer.ts";
import type { Connection } from "./connection.ts";
import { noCoordinators } from "../../partitions/coordinators/runtime/shard_coordinators_testing.ts";
import type { CoordinatorTurns } from "../../partitions/coordinators/runtime/shard_coordinators.ts";
import { noQuotas } from "../requests/quotas/quotas.ts";
import { RequestMemory } from "./request_memory.ts";
import type { Router } from "../requests/router.ts";
import { Shard } from "./shard.ts";
import { SocketPair } from "./socket_testing.ts";

const MIB = 1024 * 1024;
/** Number by which the fixture's connections are counted. */
export const PEER = 7;
/** Bytes of an answer without topics. */
export const ANSWER_BYTES = 16;

/** A shard whose turns the test runs, and the other end of its mail. */
export class ShardFixture implements Disposable {
  readonly world: TestShards;
  readonly shard: Shard;
  readonly reports: string[] = [];
  readonly closedBrokers: number[] = [];
  readonly closedPeers: number[] = [];
  /** What a handler does. */
  route: (connection: Connection, start: number, length: number) => void = () => {};
  /** What the shard does for coordinators. */
  coordinators: CoordinatorTurns = noCoordinators;
  readonly #main: Outbox | undefined;
  readonly #received: SocketPair[] = [];

  constructor(
    parts: { shardsCount?: number; clock?: Clock; store?: { readonly fs: FileSystem; readonly path: string } } = {},
  ) {
    const { shardsCount = 1 } = parts;
    this.world = new TestShards(shardsCount, [], { store: parts.store });
    this.#main = outboxes(this.world.state, shardsCount)[0];
    const { outboxes: ways, arena, inbox, purgatory, partitions } = this.world.at(0);
    this.shard = new Shard({
      shard: 0,
      clock: parts.clock ?? this.world.clock,
      fs: linuxFileSystem,
      arena,
      arenas: this.world.shards.map((each) => each.arena.memory),
      memory: new RequestMemory(arena, { budgetBytes: Infinity, requestBytesMax: 100 * MIB }),
      inbox,
      outboxes: ways,
      isolates: new IsolateTable(this.world.state.isolates),
      counters: new ShardCounters(this.world.state.counters[0] as SharedArrayBuffer),
      turns: new TurnCounter(new IsolateTable(this.world.state.isolates), 0),
      eventFd: this.world.state.eventFds[0] as number,
      purgatory,
      partitions,
      coordinators: this.#coordinators(),
      load: () => assert.fail("nothing is read from files"),
      report: (text) => void this.reports.push(text),
      trace: null,
      onBrokerClosed: (broker) => void this.closedBrokers.push(broker),
      onClosed: (peers) => void this.closedPeers.push(...peers),
      requestBytesMax: 100 * MIB,
      connectionsMaxIdleMs: Infinity,
      socketBuffers: { send: -1, receive: -1 },
      quotas: noQuotas,
      listenerNames: ["PLAINTEXT"],
    });
    const router = {
      route: (connection: Connection, start: number, length: number) => this.route(connection, start, length),
    };
    this.shard.setRouter(router as unknown as Router);
  }

  /** Runs one turn without waiting. */
  turn(): void {
    this.shard.run(() => true);
  }

  /** Transfers a new connection to the shard. */
  async connect(): Promise<SocketPair> {
    const pair = await SocketPair.open();
    this.transfer(pair.release());
    this.#received.push(pair);
    this.turn();
    return pair;
  }

  /** Transfers a descriptor, as the acceptor does. */
  transfer(fd: number): void {
    assert.ok(this.#main !== undefined);
    sendConnection(this.#main, { fd, listener: 0, transfers: 0, peer: PEER });
    this.#main.flush();
  }

  /** Forwards to the current `coordinators`. */
  #coordinators(): CoordinatorTurns {
    const current = () => this.coordinators;
    return {
      get nextDeadlineMs() {
        return current().nextDeadlineMs;
      },
      get hasGathered() {
        return current().hasGathered;
      },
      runTurn: (nowMs) => current().runTurn(nowMs),
      writeGathered: (mayContinue) => current().writeGathered(mayContinue),
      sendWaiting: () => current().sendWaiting(),
      receive: (sender, record) => current().receive(sender, record),
    };
  }

  [Symbol.dispose](): void {
    this.shard.dispose();
    for (const pair of this.#received) pair[Symbol.dispose]();
    this.world[Symbol.dispose]();
  }
}

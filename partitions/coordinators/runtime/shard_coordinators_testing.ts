/**
 * Shards for tests of groups between shards. Their coordinators list the calls, and the test answers them. Tests only.
 */
import assert from "node:assert/strict";
import { MetadataImage } from "../../metadata/image.ts";
import { TestShards, topicOn } from "../../owned/partition_testing.ts";
import type { Arena } from "../../shared/arena.ts";
import {
  type GroupApiKey,
  type GroupApis,
  groupMessages,
  type GroupRequest,
  type GroupResponse,
} from "../groups/group_apis.ts";
import { OFFSETS_TOPIC } from "../key_partition.ts";
import type { Coordinator, CoordinatorClient } from "./coordinator.ts";
import { type CoordinatorTurns, ShardCoordinators } from "./shard_coordinators.ts";

/** The turns of a shard without coordinators. */
export const noCoordinators: CoordinatorTurns = {
  nextDeadlineMs: Infinity,
  hasGathered: false,
  runTurn: () => {},
  writeGathered: () => {},
  sendWaiting: () => {},
  receive: () => false,
};

/** A call that a coordinator received. */
export interface HandledCall {
  readonly apiKey: GroupApiKey;
  readonly request: unknown;
  readonly client: CoordinatorClient;
  reply(response: unknown): void;
}

/** A coordinator that only records the calls it receives. */
export class ListingCoordinator implements Coordinator<GroupApis> {
  readonly calls: HandledCall[] = [];
  readonly nextDeadlineMs = Infinity;
  readonly hasGathered = false;

  handle: Coordinator<GroupApis>["handle"] = (apiKey, request, client, reply) => {
    this.calls.push({ apiKey, request, client, reply: (response) => reply(response as never) });
  };

  /** Removes and returns the oldest call. */
  take(): HandledCall {
    const call = this.calls.shift();
    assert.ok(call !== undefined, "the coordinator was called");
    return call;
  }

  onImage(): void {}
  runTurn(): void {}
  writeGathered(): void {}
  dispose(): void {}
}

/** Shards that coordinate groups: partition n of the offsets topic is on shard n modulo the number of shards. */
export class GroupShards implements Disposable {
  readonly world: TestShards;
  readonly image = new MetadataImage();
  readonly coordinators: ListingCoordinator[] = [];
  readonly access: ShardCoordinators<GroupApis>[] = [];

  /** @param partitionsCount of the offsets topic; 0 if the topic does not exist */
  constructor(shardsCount: number, partitionsCount = shardsCount) {
    this.world = new TestShards(shardsCount);
    const shards = Array.from({ length: partitionsCount }, (_, partition) => partition % shardsCount);
    if (partitionsCount > 0) {
      this.image.apply({ changed: [topicOn(shards, { name: OFFSETS_TOPIC })], deletedIds: [] });
    }
    const arenas = this.world.shards.map(({ arena }) => arena.memory);
    for (const [shard, { arena, outboxes }] of this.world.shards.entries()) {
      const coordinator = new ListingCoordinator();
      this.coordinators.push(coordinator);
      const links = { shard, arena, outboxes, arenas };
      const parts = { ...links, coordinator, messages: groupMessages, image: this.image, nodeId: 1 };
      this.access.push(new ShardCoordinators<GroupApis>(parts));
    }
  }

  /** Returns a shard's coordinator. */
  coordinator(shard: number): ListingCoordinator {
    return this.coordinators[shard] as ListingCoordinator;
  }

  /** Returns a shard's access to all coordinators. */
  from(shard: number): ShardCoordinators<GroupApis> {
    return this.access[shard] as ShardCoordinators<GroupApis>;
  }

  /** Asks the coordinator of a shard. @param from the asking shard @param done gets the answer */
  call<Key extends GroupApiKey>(
    from: number,
    call: { shard: number; apiKey: Key; request: GroupRequest<Key>; client: CoordinatorClient },
    done: (response: GroupResponse<Key> | null) => void,
  ): void {
    this.from(from).at(call.shard).handle(call.apiKey, call.request, call.client, done);
  }

  /** Returns a shard's arena. */
  arena(shard: number): Arena {
    return this.world.at(shard).arena;
  }

  /** Runs turns until no shard has messages left. */
  pump(): void {
    for (let idlePasses = 0; idlePasses < 2; idlePasses++) {
      for (const [shard, { inbox, outboxes }] of this.world.shards.entries()) {
        const coordinators = this.from(shard);
        inbox.drain((sender, record) => {
          idlePasses = -1;
          assert.ok(coordinators.receive(sender, record), "every record has a receiver");
        });
        coordinators.sendWaiting();
        for (const outbox of outboxes) outbox.flush();
        if (outboxes.some((outbox) => outbox.isBacklogged)) idlePasses = -1;
      }
    }
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

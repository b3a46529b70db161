/**
 * What tests of groups between shards share: shards whose coordinators are lists of calls that the test answers. Tests only.
 */
import assert from "node:assert/strict";
import { OFFSETS_TOPIC } from "../../../partitions/coordinators/groups/group_place.ts";
import type { GroupCoordination } from "../../../partitions/coordinators/groups/group_coordinator.ts";
import type { GroupApiKey } from "../../../partitions/coordinators/groups/group_requests.ts";
import type { GroupClient } from "../../../partitions/coordinators/runtime/ports.ts";
import { type Arena, MetadataImage } from "../../../partitions/mod.ts";
import { TestShards, topicOn } from "../../../partitions/owned/partition_testing.ts";
import { type GroupTurns, ShardGroups } from "./group_turns.ts";

/** The turns of a shard without groups. */
export const noGroups: GroupTurns = {
  nextDeadlineMs: Infinity,
  isUnsettled: false,
  expire: () => {},
  settle: () => {},
  postWaiting: () => {},
  receive: () => false,
};

/** A call that a coordinator got. */
export interface HandledCall {
  readonly apiKey: GroupApiKey;
  readonly request: unknown;
  readonly client: GroupClient;
  reply(response: unknown): void;
}

/** A coordinator that only writes down what it is asked. */
export class ListingCoordinator implements GroupCoordination {
  readonly calls: HandledCall[] = [];
  readonly nextDeadlineMs = Infinity;
  readonly isUnsettled = false;

  handle: GroupCoordination["handle"] = (apiKey, request, client, reply) => {
    this.calls.push({ apiKey, request, client, reply: (response) => reply(response as never) });
  };

  /** Takes the oldest call. */
  take(): HandledCall {
    const call = this.calls.shift();
    assert.ok(call !== undefined, "the coordinator was called");
    return call;
  }

  onImage(): void {}
  expire(): void {}
  settle(): void {}
  dispose(): void {}
}

/** Shards that coordinate groups: partition n of the topic of offsets is on shard n modulo their number. */
export class GroupShards implements Disposable {
  readonly world: TestShards;
  readonly image = new MetadataImage();
  readonly coordinators: ListingCoordinator[] = [];
  readonly groups: ShardGroups[] = [];

  /** @param partitionsCount of the topic of offsets; 0: it does not exist */
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
      this.groups.push(
        new ShardGroups({ shard, coordinator, arena, outboxes, arenas }, this.image),
      );
    }
  }

  /** A shard's coordinator. */
  coordinator(shard: number): ListingCoordinator {
    return this.coordinators[shard] as ListingCoordinator;
  }

  /** A shard's way to all coordinators. */
  calls(shard: number): ShardGroups["calls"] {
    return (this.groups[shard] as ShardGroups).calls;
  }

  /** A shard's arena. */
  arena(shard: number): Arena {
    return this.world.at(shard).arena;
  }

  /** Takes turns until no shard has mail any more. */
  pump(): void {
    for (let idlePasses = 0; idlePasses < 2; idlePasses++) {
      for (const [shard, { inbox, outboxes }] of this.world.shards.entries()) {
        const groups = this.groups[shard] as ShardGroups;
        inbox.drain((sender, record) => {
          idlePasses = -1;
          assert.ok(groups.receive(sender, record), "every record has a receiver");
        });
        groups.postWaiting();
        for (const outbox of outboxes) outbox.flush();
        if (outboxes.some((outbox) => outbox.isBacklogged)) idlePasses = -1;
      }
    }
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}

/**
 * A consumer group whose partitions are led by several brokers: records are written to each partition's leader, and members begin at
 * different brokers. Main isolate of a test.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../bench/peer/processes.ts";
import { wireBatch } from "../../../bench/peer/wire_bytes.ts";
import { NONE, WireClient } from "../../../bench/peer/wire_client.ts";
import type { CoordinatorClient } from "../group_clients.ts";
import { GroupMember } from "../group_member.ts";
import { type ClusterRig, isGone, leadersOf } from "./cluster_rig.ts";
import { createThrough } from "./spread_topics.ts";

const RECORD = new TextEncoder().encode("a record");

/** A group with its topic. Disposal kills the members. */
export class ClusterGroup implements AsyncDisposable {
  readonly topic: string;
  readonly group: string;
  readonly members: GroupMember[] = [];
  readonly #rig: ClusterRig;
  readonly #client: CoordinatorClient;
  /** Acknowledged records by partition. */
  readonly #ends: number[];

  private constructor(
    rig: ClusterRig,
    client: CoordinatorClient,
    names: { topic: string; group: string },
    count: number,
  ) {
    this.#rig = rig;
    this.#client = client;
    this.topic = names.topic;
    this.group = names.group;
    this.#ends = Array<number>(count).fill(0);
  }

  /** Creates the topic. */
  static async create(rig: ClusterRig, client: CoordinatorClient, partitions: number): Promise<ClusterGroup> {
    const word = client.name.replaceAll(/\W/g, "-");
    const names = { topic: `topic-${word}`, group: `group-${word}` };
    await createThrough(rig.node(1), names.topic, partitions);
    return new ClusterGroup(rig, client, names, partitions);
  }

  /** Leaders of the partitions, as all running brokers name them. */
  leaders(): Promise<number[]> {
    return leadersOf(this.#rig.nodes.filter(({ isRunning }) => isRunning), this.topic);
  }

  /** Starts a member whose only address is that of a broker. */
  join(nodeId: number): GroupMember {
    const { topic, group } = this;
    const instance = `m${this.members.length}`;
    const { bootstrapServers } = this.#rig.node(nodeId);
    const command = this.#client.command({ topic, group, instance, bootstrapServers });
    const member = new GroupMember(`${this.#client.name} ${instance}`, command);
    this.members.push(member);
    return member;
  }

  /** Writes records to each partition that has a leader among the running brokers; one refused meanwhile is written again. */
  async write(count: number): Promise<void> {
    for (const [partition, leader] of (await this.leaders()).entries()) {
      await waitFor(`${this.topic}-${partition} takes records`, async () => {
        try {
          using client = await WireClient.connect(this.#rig.node(leader).port);
          const batch = wireBatch(Array.from({ length: count }, () => ({ value: RECORD })));
          const answer = await client.produce({ topic: this.topic, partition }, batch);
          return answer.errorCode === NONE ? true : undefined;
        } catch (error) {
          if (isGone(error)) return undefined;
          throw error;
        }
      });
      this.#ends[partition] = (this.#ends[partition] as number) + count;
    }
  }

  /** Waits until members have read every acknowledged record, each partition in order. */
  async allRead(): Promise<void> {
    await waitFor(`${this.group} has read ${this.#ends}`, () => {
      const failed = this.members.find(({ failed }) => failed);
      if (failed !== undefined) assert.fail(failed.tail());
      const next = this.#ends.map((_, partition) =>
        Math.max(0, ...this.#readsOf(partition).map((offset) => offset + 1))
      );
      return next.every((offset, partition) => offset >= (this.#ends[partition] as number)) ? true : undefined;
    }, 120_000);
    for (const [partition, end] of this.#ends.entries()) {
      const read = new Set(this.#readsOf(partition));
      const missing = Array.from({ length: end }, (_, offset) => offset).filter((offset) => !read.has(offset));
      assert.deepEqual(missing, [], `${this.topic}-${partition}`);
    }
  }

  /** Lets all members leave in order. */
  async leave(): Promise<void> {
    for (const member of this.members) await member.leave();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) await member[Symbol.asyncDispose]();
  }

  #readsOf(partition: number): number[] {
    return this.members.flatMap(({ reads }) =>
      reads.flatMap((read) => read !== null && read.partition === partition ? [read.offset] : [])
    );
  }
}

/**
 * What memberships do over any metadata store, in real time: run for one SQLite store that brokers of a process share, and for etcd. Test code.
 */
import assert from "node:assert/strict";
import type { MetadataStore } from "../../partitions/metadata/store/store.ts";
import { type LiveMember, LiveMembers } from "./live_members.ts";

/** A case. */
export interface LiveCase {
  readonly name: string;
  readonly run: (members: LiveMembers) => Promise<void>;
}

/** Runs a case over a store. @param open opens the store for one broker */
export async function runCase({ run }: LiveCase, open: (owner: string) => Promise<MetadataStore>): Promise<void> {
  await using members = await LiveMembers.create(open);
  await run(members);
}

async function startThree(members: LiveMembers): Promise<LiveMember[]> {
  const started = await Promise.all([1, 2, 3].map((id) => members.start(id)));
  await members.untilActive(...started);
  return started;
}

function another(started: readonly LiveMember[], than: LiveMember | undefined): LiveMember {
  return started.find((member) => member !== than) as LiveMember;
}

/** The cases. */
export const liveCases: readonly LiveCase[] = [
  {
    name:
      "three brokers start together, with one controller; the partitions of one that is killed are leaderless, then back",
    run: async (members) => {
      const started = await startThree(members);
      const controllers = started.filter(({ membership }) => membership.isController);
      assert.equal(controllers.length, 1);
      await members.createPartitions(Array.from({ length: 300 }, (_, partition) => 1 + partition % 3));
      const victim = another(started, controllers[0]);
      const led = Array.from({ length: 100 }, (_, index) => victim.id - 1 + 3 * index);
      members.kill(victim);
      const killedMs = performance.now();
      await members.until("it is fenced", () => members.stateOf(victim.id) === "fenced");
      await members.until("its partitions are leaderless", () => led.every((one) => members.rowOf(one).leader < 0));
      const tookMs = performance.now() - killedMs;
      assert.ok(tookMs < 5000, `${tookMs} ms`);
      const again = await members.start(victim.id);
      await members.untilActive(again);
      await members.until("they have a leader", () => led.every((one) => members.rowOf(one).leader === victim.id));
      assert.ok(again.membership.brokerEpoch > victim.membership.brokerEpoch);
      assert.equal(members.rowOf(led[0] as number).leaderEpoch, 2);
    },
  },
  {
    name: "a paused controller is replaced, and wakes as an ordinary broker",
    run: async (members) => {
      const started = await startThree(members);
      const paused = members.controller() as LiveMember;
      const others = started.filter((member) => member !== paused);
      paused.gate.close();
      await members.until("it is replaced", () => others.includes(members.controller() as LiveMember));
      await members.until("it is fenced", () => members.stateOf(paused.id) === "fenced");
      paused.gate.open();
      await members.untilActive(...started);
      await members.until("it is no controller", () => !paused.membership.isController);
      assert.deepEqual(started.map(({ failures }) => failures), [[], [], []]);
      assert.equal(started.filter(({ membership }) => membership.isController).length, 1);
    },
  },
  {
    name:
      "a broker that stops in order keeps its eligibility by its proof, and a controller that stops gives its place away",
    run: async (members) => {
      const started = await startThree(members);
      const controller = members.controller() as LiveMember;
      await members.createPartitions([controller.id]);
      const cleanEpoch = await members.stop(controller);
      assert.deepEqual([members.rowOf(0).leader, members.rowOf(0).elr], [-1, [controller.id]]);
      await members.until("another one is the controller", () => members.controller() !== undefined);
      const again = await members.start(controller.id, { cleanEpoch });
      await members.untilActive(again, ...started.filter((member) => member !== controller));
      await members.until("its partition has a leader", () => members.rowOf(0).leader === controller.id);
      assert.equal(members.rowOf(0).recovering, false);
    },
  },
  {
    name: "a second process with a node id is refused with a sentence",
    run: async (members) => {
      const started = await startThree(members);
      await assert.rejects(members.start(2, { port: 9999 }), {
        name: "MembershipError",
        message: /Broker 2 has a node\.id that another running process has, at localhost:9002/,
      });
      assert.deepEqual(started.map(({ membership, failures }) => [membership.state, failures]), [
        ["active", []],
        ["active", []],
        ["active", []],
      ]);
    },
  },
  {
    name: "a paused broker is fenced, and the process that takes its place makes it end with a sentence",
    run: async (members) => {
      const started = await startThree(members);
      const paused = another(started, members.controller());
      paused.gate.close();
      await members.until("it is fenced", () => members.stateOf(paused.id) === "fenced");
      const other = await members.start(paused.id, { port: 9999 });
      await members.untilActive(other);
      paused.gate.open();
      await members.until("it ends", () => paused.failures.length > 0);
      assert.match(String(paused.failures[0]), /Another process has registered with node\.id/);
    },
  },
];

/**
 * The wall clock of one broker jumps, ahead or back, and returns later (wall_clocks.ts). Main isolate of a test.
 *
 * Expected: nothing but the timestamps that the broker gives. Sessions, heartbeats, the lag of replicas and leases run on monotonic time: writes
 * go on at once, and no row of the metadata changes: no replica leaves the in-sync set, nobody is fenced, and the controller stays. The brokers
 * have to give the timestamps (`log.message.timestamp.type=LogAppendTime`): so a test sees their clocks, and logs have timestamps that go back.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../../../bench/peer/processes.ts";
import { wireBatch } from "../../../../bench/peer/wire_bytes.ts";
import { produceRequest, produceResponse } from "../../../../net/protocol/messages/00_produce.ts";
import { produceTo } from "../../../topic_requests.ts";
import type { Random } from "../../random.ts";
import type { Fault } from "../fault.ts";
import { NOISE } from "../history_check.ts";
import { ask, type RigNode } from "../replicated_cluster.ts";
import type { ReplicationRig } from "../replication_rig.ts";
import type { WallClocks } from "./wall_clocks.ts";

const HOUR_MS = 3_600_000;
const jumps = [
  { name: "an hour ahead", aheadMs: HOUR_MS },
  { name: "a day back", aheadMs: -24 * HOUR_MS },
] as const;

/** What a write takes on a loaded machine while nothing is elected. */
const UNDISTURBED_MS = 5000;
/** Of two readings of the same clock: the second one is an answer's way later. */
const APART_MS_MAX = 60_000;
/** How long the clock stays: a heartbeat that waited for wall time would let the session end. */
const SESSIONS = 1.5;
const PRODUCE_VERSION = 9;
/** Keys that are written where nothing happens: the controller's tick each 30 s, and where its outcome is kept. */
const ROUTINE = /^\/barnabas\/(?:tick$|~slots\/)/;

type Role = "leader" | "follower" | "controller";

/** Chooses a broker: one that leads partition 0, one that follows it, the controller. */
async function chosen({ view, cluster: { nodes } }: ReplicationRig, role: Role, random: Random): Promise<RigNode> {
  if (role === "controller") return await view.controller();
  const leader = view.leaderOf(0);
  assert.ok(leader, "partition 0 has a leader");
  return role === "leader" ? leader : random.pick(nodes.filter((node) => node !== leader));
}

let readings = 0;

/** The clock of a broker that leads a partition: the timestamp of a record that it appends. @returns null when it does not answer in time */
async function clockOf({ view }: ReplicationRig, node: RigNode): Promise<number | null> {
  const partition = view.partitions.findIndex(({ leader }) => leader === node.nodeId);
  assert.notEqual(partition, -1, `broker ${node.nodeId} leads a partition`);
  const value = new TextEncoder().encode(`${NOISE}-clock-${readings++}`);
  const of = { apiVersion: PRODUCE_VERSION, value: produceTo(view.topic, partition, wireBatch([{ value }])) };
  const answer = await ask(node, (client) => client.call(produceRequest, produceResponse, of));
  return answer?.responses[0]?.partitionResponses[0]?.logAppendTimeMs ?? null;
}

/** Sets the clock of a broker, and waits until the broker has it. */
async function setClock(rig: ReplicationRig, node: RigNode, set: { clocks: WallClocks; aheadMs: number }) {
  const { clocks, aheadMs } = set;
  clocks.set(`broker-${node.nodeId}`, aheadMs);
  await waitFor(`the clock of broker ${node.nodeId} is ${aheadMs} ms ahead`, async () => {
    const readMs = await clockOf(rig, node);
    return readMs !== null && Math.abs(readMs - Date.now() - aheadMs) < APART_MS_MAX || undefined;
  });
}

/** An answer of /v3/kv/range. */
interface RangeAnswer {
  readonly header: { readonly revision: string };
  readonly kvs?: readonly { readonly key: string }[];
}

/** What etcd has written since a revision. */
async function written({ cluster: { etcd } }: ReplicationRig, since: number) {
  assert.ok(etcd, "the cluster has an etcd");
  const all = btoa("\0");
  const query = { key: all, range_end: all, keys_only: true, min_mod_revision: since + 1 };
  const { header, kvs = [] } = await etcd.call<RangeAnswer>("/v3/kv/range", query);
  const keys = kvs.map(({ key }) => atob(key)).filter((key) => !ROUTINE.test(key));
  return { revision: Number(header.revision), keys };
}

/** The clock of a broker jumps. The way back is a jump, too: what follows it lasts as long. */
function jumped(clocks: WallClocks, role: Role, { name, aheadMs }: typeof jumps[number]): Fault {
  return {
    name: `the wall clock of a ${role} jumps ${name}`,
    isPossible: ({ cluster: { etcd } }) => etcd !== null,
    async apply(rig, random) {
      const node = await chosen(rig, role, random);
      const { revision: before } = await written(rig, 0);
      const assertUnchanged = async () => {
        const { keys } = await written(rig, before);
        assert.deepEqual(keys, [], "no row of the metadata has changed");
      };
      const lastsMs = SESSIONS * rig.sessionMs;
      await setClock(rig, node, { clocks, aheadMs });
      return {
        what: `broker ${node.nodeId}`,
        writes: { resumeWithinMs: UNDISTURBED_MS },
        mayElect: false,
        lastsMs,
        async undo() {
          await assertUnchanged();
          await setClock(rig, node, { clocks, aheadMs: 0 });
          const writes = rig.writesSince();
          await waitFor("all partitions take writes", () => writes.done() || undefined, UNDISTURBED_MS);
          await new Promise((resolve) => setTimeout(resolve, lastsMs));
          await assertUnchanged();
        },
      };
    },
  };
}

/** Jumps in both directions, for each role of a broker. */
export function clockFaults(clocks: WallClocks): Fault[] {
  const roles = ["leader", "follower", "controller"] as const;
  return roles.flatMap((role) => jumps.map((jump) => jumped(clocks, role, jump)));
}

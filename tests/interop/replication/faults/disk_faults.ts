/**
 * Faults of one broker's disk: it is full, its writes or flushes fail, and what it has is damaged, or gone, when it comes back. Main isolate
 * of a test.
 *
 * Expected: a leader that cannot write gives the partition to others; a follower that cannot leaves the in-sync set, and comes back. What was
 * acknowledged is on the others.
 */
import { BATCH_STEP_BYTES, batchBytes } from "../../../../storage/records/record_batch.ts";
import type { Random } from "../../random.ts";
import { fillUp, InjectedFault } from "../../system_faults.ts";
import type { AppliedFault, Fault } from "../fault.ts";
import type { RigNode } from "../replicated_cluster.ts";
import type { ReplicationRig } from "../replication_rig.ts";

const SLACK_MS = 10_000;
const LASTS_MS = 1000;

/** Chooses brokers: one that leads partition 0, or one that follows it. */
function chosen(rig: ReplicationRig, random: Random, role: "leader" | "follower"): RigNode {
  const leader = rig.view.leaderOf(0);
  if (role === "leader" && leader !== null) return leader;
  return random.pick(rig.cluster.nodes.filter((node) => node !== leader));
}

/** The disk of a broker is full for a while. Its log directory has to be a small file system. @param lagMs `replica.lag.time.max.ms` */
function full(role: "leader" | "follower", lagMs: number): Fault {
  return {
    name: `the disk of a ${role} is full`,
    apply(rig, random) {
      const node = chosen(rig, random, role);
      const room = fillUp(node.dataDir);
      return Promise.resolve({
        what: `broker ${node.nodeId}`,
        writes: { resumeWithinMs: 1.5 * lagMs + SLACK_MS },
        lastsMs: LASTS_MS,
        undo: () => Promise.resolve(room.free()),
      });
    },
  };
}

/** Calls on the files of partition 0 fail from now on; the broker is restarted in the end, as after a disk was replaced by a copy. */
function failing(role: "leader" | "follower", call: string, lagMs: number): Fault {
  return {
    name: `${call} of a ${role} ends with EIO`,
    async apply(rig, random): Promise<AppliedFault> {
      const node = chosen(rig, random, role);
      const directory = `${node.dataDir}/${rig.topic}-0`;
      const paths = [...Deno.readDirSync(directory)].filter(({ name }) => name.endsWith(".log"))
        .map(({ name }) => `${directory}/${name}`);
      const fault = await InjectedFault.inject(node.process.pid, { call, injected: "error=EIO", paths });
      return {
        what: `broker ${node.nodeId}`,
        writes: { resumeWithinMs: 1.5 * lagMs + SLACK_MS },
        lastsMs: LASTS_MS,
        undo: async () => {
          await fault[Symbol.asyncDispose]();
          await node.kill();
          await node.start();
        },
      };
    },
  };
}

/** A broker is killed, and its files are others when it starts again. */
function damaged(name: string, damage: (parts: { node: RigNode; topic: string; random: Random }) => void): Fault {
  return {
    name,
    async apply(rig, random) {
      const node = random.pick(rig.cluster.nodes);
      await node.kill();
      damage({ node, topic: rig.topic, random });
      return {
        what: `broker ${node.nodeId}`,
        writes: { resumeWithinMs: SLACK_MS },
        lastsMs: 0,
        undo: () => node.start(),
      };
    },
  };
}

/** The last segment of each partition. */
function lastSegments({ node, topic }: { node: RigNode; topic: string }): string[] {
  return [...Deno.readDirSync(node.dataDir)].filter(({ name }) => name.startsWith(`${topic}-`)).map(({ name }) => {
    const path = `${node.dataDir}/${name}`;
    const segments = [...Deno.readDirSync(path)].map((file) => file.name).filter((file) => file.endsWith(".log"))
      .sort();
    return `${path}/${segments.at(-1)}`;
  });
}

/** Bytes at the end of a file that a loss of power may take. */
const TAIL_BYTES = 400;
/** Where a batch's length, its leader epoch, and its format and all that follows begin; first comes the base offset. */
const [LENGTH_AT, EPOCH_AT, MAGIC_AT] = [8, 12, 16];

/** The tail is shorter. */
const cutTails = damaged("the last bytes of a broker's logs are gone after a kill", (parts) => {
  for (const path of lastSegments(parts)) {
    const { size } = Deno.statSync(path);
    Deno.truncateSync(path, Math.max(0, size - 1 - parts.random.below(TAIL_BYTES)));
  }
});

/**
 * A bit of the tail is another, where the format protects it: no checksum covers a batch's base offset and leader epoch, so Kafka does not notice
 * either when a disk changes these.
 */
const flippedTails = damaged("a bit in the last bytes of a broker's logs is another after a kill", (parts) => {
  for (const path of lastSegments(parts)) {
    const bytes = Deno.readFileSync(path);
    const places = protectedPlaces(bytes).filter((at) => at < bytes.length).slice(-TAIL_BYTES);
    if (places.length === 0) continue;
    const at = places[parts.random.below(places.length)] as number;
    bytes[at] = (bytes[at] ?? 0) ^ (1 << parts.random.below(8));
    Deno.writeFileSync(path, bytes);
  }
});

/** Positions in a segment whose change a check of its batches finds. */
function protectedPlaces(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const places: number[] = [];
  for (let start = 0; start + BATCH_STEP_BYTES <= bytes.length;) {
    const length = Math.max(BATCH_STEP_BYTES, batchBytes(view, start));
    for (let at = LENGTH_AT; at < length; at++) if (at < EPOCH_AT || at >= MAGIC_AT) places.push(start + at);
    start += length;
  }
  return places;
}

const emptied = damaged("a broker's directory is empty after a kill", ({ node }) => {
  for (const { name } of Deno.readDirSync(node.dataDir)) {
    Deno.removeSync(`${node.dataDir}/${name}`, { recursive: true });
  }
});

/** Files that are damaged while the broker is down. */
export const damageFaults: readonly Fault[] = [cutTails, flippedTails, emptied];

/** Calls that fail. @param lagMs `replica.lag.time.max.ms` */
export function diskFaults(lagMs: number): Fault[] {
  const roles = ["leader", "follower"] as const;
  return [
    ...roles.map((role) => failing(role, "pwrite64", lagMs)),
    ...roles.map((role) => failing(role, "fdatasync", lagMs)),
  ];
}

/** Disks that are full. @param lagMs `replica.lag.time.max.ms` */
export function fullDisks(lagMs: number): Fault[] {
  return [full("leader", lagMs), full("follower", lagMs)];
}

/** Faults of processes: brokers and members of etcd that are killed, paused, stopped and started again. Main isolate of a test. */
import type { Random } from "../random.ts";
import type { AppliedFault, ExpectedWrites, Fault } from "./fault.ts";
import type { RigNode } from "./replicated_cluster.ts";
import type { ReplicationRig } from "./replication_rig.ts";

/** A dead process is noticed by refused connections; a loaded machine takes seconds for what takes milliseconds. */
const AFTER_CRASH_MS = 20_000;
/** What a session's end takes further. */
const AFTER_SESSION_MS = 10_000;
/** While nothing is elected, a write takes its usual time. */
const UNDISTURBED_MS = 10_000;
/** How long a fault lasts that forbids writes, or changes nothing. */
const LASTS_MS = { min: 200, max: 2500 } as const;

function between({ min, max }: { readonly min: number; readonly max: number }, random: Random): number {
  return min + random.below(max - min);
}

/** A start takes about so long. */
const START_MS = 900;

/** Chooses brokers. */
type Choice = (rig: ReplicationRig, random: Random) => Promise<readonly RigNode[]> | readonly RigNode[];

const anyBroker: Choice = ({ cluster: { nodes } }, random) => [random.pick(nodes)];
const controller: Choice = async ({ view }) => [await view.controller()];
const otherThanController: Choice = async ({ view, cluster: { nodes } }, random) => {
  const leads = await view.controller();
  return [random.pick(nodes.filter((node) => node !== leads))];
};
/** Leads partition 0, whoever else it is. */
const leader: Choice = async (rig, random) => {
  const node = rig.view.leaderOf(0);
  return node === null ? await anyBroker(rig, random) : [node];
};
const two: Choice = ({ cluster: { nodes } }, random) => {
  const spared = random.pick(nodes);
  return nodes.filter((node) => node !== spared);
};
const all: Choice = ({ cluster: { nodes } }) => nodes;

/** kill -9, and a start some time later. @param writes what is expected; a crash of one broker by default */
function killed(name: string, choice: Choice, writes: ExpectedWrites = { resumeWithinMs: AFTER_CRASH_MS }): Fault {
  return {
    name: `kill -9 of ${name}`,
    async apply(rig, random) {
      const nodes = await choice(rig, random);
      await Promise.all(nodes.map((node) => node.kill()));
      return {
        what: namesOf(nodes),
        writes,
        lastsMs: between(LASTS_MS, random),
        undo: () => startAll(nodes),
      };
    },
  };
}

/** A broker that is started again at once, within its session, and dies again while it starts. */
const killedTwice: Fault = {
  name: "kill -9 of a broker, and again while it starts",
  async apply(rig, random) {
    const nodes = await leader(rig, random);
    const [node] = nodes as [RigNode];
    await node.kill();
    // It does not start, unless it is faster than the kill.
    const started = node.start().catch((error) => error);
    await new Promise((resolve) => setTimeout(resolve, random.below(START_MS)));
    await node.kill();
    await started;
    return {
      what: namesOf(nodes),
      writes: { resumeWithinMs: AFTER_CRASH_MS },
      lastsMs: 0,
      undo: () => startAll(nodes),
    };
  },
};

/** Started again at once: within its session, and before anybody else may have noticed. */
const restarted: Fault = {
  name: "kill -9 of a broker that is started at once",
  async apply(rig, random) {
    const nodes = await anyBroker(rig, random);
    await nodes[0]?.kill();
    await startAll(nodes);
    return {
      what: namesOf(nodes),
      writes: { resumeWithinMs: AFTER_CRASH_MS },
      lastsMs: 0,
      undo: () => Promise.resolve(),
    };
  },
};

/** SIGTERM, and a start some time later: no write fails, for what the broker leads moves first. */
function stopped(name: string, choice: Choice): Fault {
  return {
    name: `SIGTERM of ${name}`,
    async apply(rig, random) {
      const nodes = await choice(rig, random);
      for (const node of nodes) {
        const code = await node.stop();
        if (code !== 0) throw new Error(`Broker ${node.nodeId} ended with ${code}:\n${node.process.outputTail()}`);
      }
      return {
        what: namesOf(nodes),
        writes: { resumeWithinMs: UNDISTURBED_MS },
        lastsMs: between(LASTS_MS, random),
        undo: () => startAll(nodes),
      };
    },
  };
}

/** SIGSTOP until writes have resumed or the session has long ended, then SIGCONT: the broker wakes and believes that it leads. */
function paused(name: string, choice: Choice, expected: "resume" | "stop" = "resume"): Fault {
  return {
    name: `SIGSTOP of ${name}`,
    async apply(rig, random) {
      const nodes = await choice(rig, random);
      signalAll(nodes, "SIGSTOP");
      return {
        what: namesOf(nodes),
        writes: expected === "stop" ? "stop" : { resumeWithinMs: rig.sessionMs + AFTER_SESSION_MS },
        lastsMs: expected === "stop" ? random.below(rig.sessionMs * 2) : 0,
        undo: () => Promise.resolve(signalAll(nodes, "SIGCONT")),
      };
    },
  };
}

/** SIGSTOP for less than the session: nothing is elected. */
const pausedShortly: Fault = {
  name: "SIGSTOP of a broker for less than its session",
  async apply(rig, random) {
    const nodes = await anyBroker(rig, random);
    signalAll(nodes, "SIGSTOP");
    return {
      what: namesOf(nodes),
      // A third of the session: what is left is for the next heartbeat, on a loaded machine.
      lastsMs: random.below(rig.sessionMs / 3),
      writes: "any",
      mayElect: false,
      undo: () => Promise.resolve(signalAll(nodes, "SIGCONT")),
    };
  },
};

/** etcd's leader, or most of its members, away: the data plane goes on. */
function etcdFault(name: string, change: "SIGKILL" | "SIGSTOP", count: number): Fault {
  return {
    name: `${change} of ${name}`,
    isPossible: ({ cluster: { etcd } }) => etcd !== null && etcd.members.length > count,
    async apply(rig, random) {
      return await applyToEtcd(rig, { change, count, lastsMs: between(LASTS_MS, random) });
    },
  };
}

async function applyToEtcd(
  { cluster: { etcd } }: ReplicationRig,
  { change, count, lastsMs }: { change: "SIGKILL" | "SIGSTOP"; count: number; lastsMs: number },
): Promise<AppliedFault> {
  if (etcd === null) throw new Error("Cannot disturb etcd: the cluster has none");
  const first = await etcd.leader();
  const members = [first, ...etcd.members.filter(({ name }) => name !== first.name)].slice(0, count);
  for (const member of members) {
    if (change === "SIGKILL") await etcd.kill(member);
    else member.process.signal("SIGSTOP");
  }
  return {
    what: members.map(({ name }) => name).join(" and "),
    writes: { resumeWithinMs: UNDISTURBED_MS },
    lastsMs,
    undo: async () => {
      for (const member of members) {
        if (change === "SIGKILL") etcd.restart(member);
        else member.process.signal("SIGCONT");
      }
      await etcd.leader();
    },
  };
}

/** The leader of partition 0 and the leader of etcd: nothing is elected before etcd has a leader again. */
const killedWithEtcd: Fault = {
  name: "kill -9 of a leader and of etcd's leader",
  isPossible: ({ cluster: { etcd } }) => etcd !== null && etcd.members.length > 1,
  async apply(rig, random) {
    const nodes = await leader(rig, random);
    const lastsMs = between(LASTS_MS, random);
    const [etcd] = await Promise.all([
      applyToEtcd(rig, { change: "SIGKILL", count: 1, lastsMs }),
      ...nodes.map((node) => node.kill()),
    ]);
    return {
      what: `${namesOf(nodes)} and ${etcd.what}`,
      writes: { resumeWithinMs: AFTER_CRASH_MS },
      lastsMs,
      undo: async () => {
        await etcd.undo();
        await startAll(nodes);
      },
    };
  },
};

/** Ten faults, each of another kind. */
export const commonFaults: readonly Fault[] = [
  killed("the leader of a partition", leader),
  killed("the controller", controller),
  // min.insync.replicas is 2: no acknowledgement while one is left.
  killed("two brokers", two, "stop"),
  killed("all brokers", all, "stop"),
  stopped("a broker", anyBroker),
  pausedShortly,
  paused("the leader of a partition", leader),
  etcdFault("etcd's leader", "SIGKILL", 1),
  etcdFault("two members of etcd", "SIGKILL", 2),
  killedWithEtcd,
];

/** Every fault of a process. */
export const processFaults: readonly Fault[] = [
  ...commonFaults,
  killed("a broker that is not the controller", otherThanController),
  killedTwice,
  restarted,
  stopped("the controller", controller),
  paused("the controller", controller),
  paused("a broker that is not the controller", otherThanController),
  paused("two brokers", two, "stop"),
  etcdFault("etcd's leader", "SIGSTOP", 1),
];

/** All brokers, one after the other: each is in sync again before the next one stops. */
export const rollingRestart: Fault = {
  name: "SIGTERM of all brokers in turn",
  async apply(rig) {
    for (const node of rig.cluster.nodes) {
      const code = await node.stop();
      if (code !== 0) throw new Error(`Broker ${node.nodeId} ended with ${code}:\n${node.process.outputTail()}`);
      await node.start();
      await rig.inSync();
    }
    return {
      what: namesOf(rig.cluster.nodes),
      writes: { resumeWithinMs: UNDISTURBED_MS },
      lastsMs: 0,
      undo: () => Promise.resolve(),
    };
  },
};

/** All at once: each waits for what the others know. */
async function startAll(nodes: readonly RigNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.start()));
}

function signalAll(nodes: readonly RigNode[], signal: "SIGSTOP" | "SIGCONT"): void {
  for (const node of nodes) node.process.signal(signal);
}

function namesOf(nodes: readonly RigNode[]): string {
  return nodes.map(({ nodeId }) => `broker ${nodeId}`).join(" and ");
}

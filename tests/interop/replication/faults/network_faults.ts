/**
 * Cuts of the network between brokers, etcd and clients, which are in namespaces of their own (namespaces.ts). Main isolate of a test.
 *
 * Expected: who is heard by most others goes on. A broker that is cut off from the others is fenced once, also if it is the controller, which
 * then is another one; one that has lost etcd alone leads on.
 */
import type { Random } from "../../random.ts";
import type { AppliedFault, ExpectedWrites, Fault } from "../fault.ts";
import type { RigNode } from "../replicated_cluster.ts";
import type { ReplicationRig } from "../replication_rig.ts";
import { type NamespaceNetwork, TEST } from "./namespaces.ts";

/** What a loaded machine needs beyond the times of the protocol. */
const SLACK_MS = 10_000;
/** How long the controller's key outlives it. */
const LEASE_MS = 2000;
const UNDISTURBED_MS = 5000;

/** What a cut is made of. */
interface Cut {
  readonly network: NamespaceNetwork;
  /** The broker that the fault is about. */
  readonly node: RigNode;
  /** Names of the other brokers. */
  readonly others: readonly string[];
  readonly etcd: readonly string[];
}

/** A kind of cut. */
interface CutKind {
  readonly name: string;
  /** On which broker: one that leads partition 0, the controller, one that is not, any. */
  readonly on: "leader" | "controller" | "other" | "any";
  cut(parts: Cut): void;
  /** Writes while it lasts, after the time that the cluster needs to notice. */
  writes(rig: ReplicationRig, lagMs: number): ExpectedWrites;
  readonly mayElect?: boolean;
  readonly lastsMs: number;
}

/** A session is over; where the controller is cut off, another one takes over, and gives every broker a full session. */
const afterSessions = (sessions: number, furtherMs = 0) => ({ sessionMs }: ReplicationRig): ExpectedWrites => ({
  resumeWithinMs: sessions * sessionMs + furtherMs + SLACK_MS,
});
const undisturbed = (): ExpectedWrites => ({ resumeWithinMs: UNDISTURBED_MS });

const kinds: readonly CutKind[] = [
  {
    name: "a leader is cut off from the other brokers, not from etcd and clients",
    on: "leader",
    cut: ({ network, node, others }) => network.isolate(nameOf(node), others),
    writes: afterSessions(2),
    lastsMs: 2000,
  },
  {
    name: "the controller is cut off from the other brokers, not from etcd and clients",
    on: "controller",
    cut: ({ network, node, others }) => network.isolate(nameOf(node), others),
    writes: afterSessions(2),
    lastsMs: 2000,
  },
  {
    name: "the controller is cut off from everyone",
    on: "controller",
    cut: ({ network, node }) => network.isolate(nameOf(node)),
    writes: afterSessions(1, LEASE_MS),
    lastsMs: 2000,
  },
  {
    name: "a broker that is not the controller is cut off from everyone",
    on: "other",
    cut: ({ network, node }) => network.isolate(nameOf(node)),
    writes: afterSessions(1),
    lastsMs: 2000,
  },
  {
    name: "a broker that is not the controller is cut off from etcd",
    on: "other",
    cut: ({ network, node, etcd }) => network.isolate(nameOf(node), etcd),
    writes: undisturbed,
    mayElect: false,
    lastsMs: 5000,
  },
  {
    name: "the controller is cut off from etcd",
    on: "controller",
    cut: ({ network, node, etcd }) => network.isolate(nameOf(node), etcd),
    writes: undisturbed,
    lastsMs: 5000,
  },
  {
    name: "all brokers are cut off from etcd",
    on: "any",
    cut({ network, node, others, etcd }) {
      for (const name of [nameOf(node), ...others]) network.isolate(name, etcd);
    },
    writes: undisturbed,
    lastsMs: 5000,
  },
  {
    name: "what a broker sends to one that is not the controller is lost",
    on: "other",
    cut({ network, node, others }) {
      for (const other of others) network.cut(other, nameOf(node));
    },
    writes: afterSessions(2),
    lastsMs: 2000,
  },
  {
    name: "what a broker sends to the other brokers is lost",
    on: "any",
    cut({ network, node, others }) {
      for (const other of others) network.cut(nameOf(node), other);
    },
    writes: afterSessions(2),
    lastsMs: 2000,
  },
  {
    name: "two brokers that are not the controller do not reach each other",
    on: "controller",
    cut: ({ network, others: [one = "", other = ""] }) => network.isolate(one, [other]),
    // Each leaves the in-sync sets of the other when it lags.
    writes: (_rig, lagMs) => ({ resumeWithinMs: 1.5 * lagMs + SLACK_MS }),
    mayElect: false,
    lastsMs: 1000,
  },
  {
    name: "one of two brokers that are not the controller does not hear the other",
    on: "controller",
    cut: ({ network, others: [one = "", other = ""] }) => network.cut(one, other),
    writes: (_rig, lagMs) => ({ resumeWithinMs: 1.5 * lagMs + SLACK_MS }),
    mayElect: false,
    lastsMs: 1000,
  },
  {
    name: "a leader is cut off from clients",
    on: "leader",
    cut: ({ network, node }) => network.isolate(nameOf(node), [TEST]),
    writes: () => "any",
    mayElect: false,
    lastsMs: 3000,
  },
];

/**
 * The faults.
 * @param network in which the brokers and members of etcd run
 * @param lagMs `replica.lag.time.max.ms` of the brokers
 */
export function networkFaults(network: NamespaceNetwork, lagMs: number): Fault[] {
  return kinds.map((kind) => ({
    name: kind.name,
    isPossible: ({ cluster: { etcd } }) => etcd !== null,
    apply: async (rig, random) => await begin(kind, { network, rig, random, lagMs }),
  }));
}

async function begin(
  { on, cut, writes, mayElect, lastsMs }: CutKind,
  { network, rig, random, lagMs }: { network: NamespaceNetwork; rig: ReplicationRig; random: Random; lagMs: number },
): Promise<AppliedFault> {
  const { cluster: { nodes, etcd } } = rig;
  const controller = await rig.view.controller();
  const rest = nodes.filter((node) => node !== controller);
  const chosen = {
    controller: () => controller,
    other: () => random.pick(rest),
    leader: () => rig.view.leaderOf(0) ?? random.pick(nodes),
    any: () => random.pick(nodes),
  };
  const node = chosen[on]();
  const others = nodes.filter((other) => other !== node).map(nameOf);
  cut({ network, node, others, etcd: etcd?.members.map(({ name }) => name) ?? [] });
  return {
    what: `broker ${node.nodeId}${node === controller ? ", the controller" : ""}`,
    writes: writes(rig, lagMs),
    mayElect,
    lastsMs,
    undo: () => Promise.resolve(network.heal()),
  };
}

/** Name of a broker on the network. */
export function nameOf({ nodeId }: Pick<RigNode, "nodeId">): string {
  return `broker-${nodeId}`;
}

/**
 * Links between brokers that are slow or half open, and an etcd whose answers are late, lost or given twice. They need no rights: relays are in
 * the way (links.ts, ../../etcd/fault_proxy.ts). Main isolate of a test.
 */
import type { Random } from "../../random.ts";
import type { Fault as EtcdFault } from "../../etcd/fault_proxy.ts";
import type { AppliedFault, Fault } from "../fault.ts";
import type { RigNode } from "../replicated_cluster.ts";
import type { ReplicationRig } from "../replication_rig.ts";
import type { EtcdProxies } from "./etcd_proxies.ts";
import type { Links } from "./links.ts";
import { nameOf } from "./network_faults.ts";

/** What a loaded machine needs beyond the times of the protocol. */
const SLACK_MS = 10_000;
const DELAY_MS = 200;
/** A write takes one and a half ways there and back. */
const SLOW_WRITE_MS = 5000;
const UNDISTURBED_MS = 5000;
const LASTS_MS = 2500;
const STARTS_MAX = 10;

/**
 * Slow and half-open links between the brokers.
 * @param links by which the brokers reach each other
 * @param fetchMs `replica.socket.timeout.ms`: after it a follower gives a connection up
 */
export function linkFaults(links: Links, fetchMs: number): Fault[] {
  const begun = (what: string, writes: AppliedFault["writes"]): AppliedFault => ({
    what,
    writes,
    mayElect: false,
    lastsMs: LASTS_MS,
    undo: () => Promise.resolve(links.heal()),
  });
  return [
    {
      name: "what brokers send each other takes 200 ms longer",
      apply(rig) {
        const names = rig.cluster.nodes.map(nameOf);
        for (const name of names) links.slow(name, names, DELAY_MS);
        return Promise.resolve(begun("all brokers", { resumeWithinMs: SLOW_WRITE_MS }));
      },
    },
    {
      name: "what one broker sends to and gets from the others takes 200 ms longer",
      apply(rig, random) {
        const node = random.pick(rig.cluster.nodes);
        links.slow(nameOf(node), rig.cluster.nodes.map(nameOf), DELAY_MS);
        return Promise.resolve(begun(`broker ${node.nodeId}`, { resumeWithinMs: SLOW_WRITE_MS }));
      },
    },
    {
      name: "a leader's connections to the others are half open",
      apply: (rig, random) => Promise.resolve(halfOpen(rig, random, "out")),
    },
    {
      name: "the others' connections to a leader are half open",
      apply: (rig, random) => Promise.resolve(halfOpen(rig, random, "in")),
    },
  ];

  function halfOpen(
    { cluster: { nodes }, view }: ReplicationRig,
    random: Random,
    direction: "in" | "out",
  ): AppliedFault {
    // Others follow it: one that leads nothing has no connections that matter.
    const node = view.leaderOf(0) ?? random.pick(nodes);
    const name = nameOf(node);
    for (const other of nodes.map(nameOf).filter((other) => other !== name)) {
      links.forget(direction === "out" ? { from: name, to: other } : { from: other, to: name });
    }
    return begun(`broker ${node.nodeId}`, { resumeWithinMs: fetchMs + SLACK_MS });
  }
}

/** Starts a broker, as systemd does: again, when it ended because etcd did not answer. */
async function startAgain(node: RigNode): Promise<void> {
  for (let attempt = 1;; attempt++) {
    try {
      return await node.start();
    } catch (error) {
      const isSilence = error instanceof Error && error.message.includes("it does not answer in time");
      if (!isSilence || attempt === STARTS_MAX) throw error;
    }
  }
}

/** Half of the requests to etcd meet a fault, but for watches. @param proxies in front of its members */
export function etcdAnswerFaults(proxies: EtcdProxies): Fault[] {
  const kinds: [name: string, faults: readonly EtcdFault[]][] = [
    ["late", ["late-answer", "late-request", "late-repeat"]],
    ["lost", ["lose-request", "lose-answer", "silent"]],
    ["repeated", ["repeat", "late-repeat"]],
  ];
  return kinds.map(([name, faults]) => ({
    name: `half of etcd's answers are ${name}, while a follower leaves the in-sync sets and comes back`,
    async apply({ cluster: { nodes } }, random) {
      const node = random.pick(nodes);
      proxies.plan(({ path }) => path.endsWith("/watch") || random.below(2) === 0 ? "none" : random.pick(faults));
      await node.kill();
      await startAgain(node);
      return {
        what: `broker ${node.nodeId}`,
        writes: { resumeWithinMs: 2 * SLACK_MS },
        lastsMs: LASTS_MS,
        undo: () => Promise.resolve(proxies.plan(() => "none")),
      };
    },
  }));
}

/** Members of etcd stand still. @param lastsMs for how long */
export function silentEtcd(lastsMs: number): Fault {
  return {
    name: `all members of etcd stand still for ${lastsMs / 1000} s`,
    isPossible: ({ cluster: { etcd } }) => etcd !== null,
    apply({ cluster: { etcd } }) {
      for (const { process } of etcd?.members ?? []) process.signal("SIGSTOP");
      return Promise.resolve({
        what: "etcd",
        writes: { resumeWithinMs: UNDISTURBED_MS },
        mayElect: false,
        lastsMs,
        undo: async () => {
          for (const { process } of etcd?.members ?? []) process.signal("SIGCONT");
          await etcd?.leader();
        },
      });
    },
  };
}

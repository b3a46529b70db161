/**
 * Many faults of processes on top of each other: brokers and members of etcd are killed, paused, stopped and started at random moments, and
 * nobody waits for replicas to recover in between. Main isolate of a test.
 */
import type { Etcd, EtcdMember } from "../etcd/members.ts";
import type { Random } from "../random.ts";
import type { Fault } from "./fault.ts";
import type { RigNode } from "./replicated_cluster.ts";

/** How many things happen, and at most so long after each other. */
const ACTS = { min: 4, max: 14 } as const;
const PAUSE_MS_MAX = 1200;
/** One in so many acts is on etcd. */
const ETCD_SHARE = 6;

/** What happens to one broker during a storm. */
class StormyNode {
  readonly #node: RigNode;
  #isPaused = false;
  #isStopping = false;
  /** Its last start, which nobody waits for during the storm. */
  #starting: Promise<unknown> = Promise.resolve();

  constructor(node: RigNode) {
    this.#node = node;
  }

  /** Does something that its state allows. @returns what */
  async act(random: Random): Promise<string> {
    const node = this.#node;
    if (!node.isRunning) {
      this.#launch();
      return `start ${node.nodeId}`;
    }
    const act = random.pick(
      this.#isPaused ? ["SIGCONT", "SIGKILL"] as const : ["SIGKILL", "SIGSTOP", "SIGTERM"] as const,
    );
    if (act === "SIGKILL") await node.kill();
    else node.process.signal(act);
    this.#isPaused = act === "SIGSTOP";
    this.#isStopping ||= act === "SIGTERM";
    return `${act} ${node.nodeId}`;
  }

  /** Lets it run. */
  async calm(): Promise<void> {
    if (this.#isPaused) this.#node.process.signal("SIGCONT");
    this.#isPaused = false;
    await this.#starting;
    if (this.#isStopping && this.#node.isRunning) await this.#node.process.status;
    if (!this.#node.isRunning) await this.#node.start();
  }

  #launch(): void {
    this.#isStopping = false;
    // It may be killed before it has started; calm() starts it then.
    this.#starting = this.#node.start().catch((error) => error);
  }
}

/** What happens to etcd: a member is killed, or the one that is away comes back. */
class StormyEtcd {
  readonly #etcd: Etcd;
  #away: EtcdMember | null = null;

  constructor(etcd: Etcd) {
    this.#etcd = etcd;
  }

  /** Does it. @returns what */
  async act(random: Random): Promise<string> {
    if (this.#away !== null) return `start ${this.calm()}`;
    this.#away = random.pick(this.#etcd.members);
    await this.#etcd.kill(this.#away);
    return `SIGKILL ${this.#away.name}`;
  }

  /** Starts the one that is away. @returns its name */
  calm(): string {
    const { name } = this.#away ?? { name: "" };
    if (this.#away !== null) this.#etcd.restart(this.#away);
    this.#away = null;
    return name;
  }
}

/** The storm. */
export const storm: Fault = {
  name: "a storm of kill -9, SIGSTOP, SIGTERM and starts",
  async apply({ cluster: { nodes, etcd } }, random) {
    const stormy = nodes.map((node) => new StormyNode(node));
    const store = etcd !== null && etcd.members.length > 1 ? new StormyEtcd(etcd) : null;
    const acts: string[] = [];
    const count = ACTS.min + random.below(ACTS.max - ACTS.min);
    while (acts.length < count) {
      // The choice is made whether or not there is an etcd: the seed then means the same for both.
      const [chosen, isEtcd] = [random.pick(stormy), random.oneIn(ETCD_SHARE)];
      acts.push(await (isEtcd && store !== null ? store : chosen).act(random));
      await new Promise((resolve) => setTimeout(resolve, random.below(PAUSE_MS_MAX)));
    }
    return {
      what: acts.join(", "),
      writes: "any",
      lastsMs: 0,
      undo: async () => {
        store?.calm();
        await Promise.all(stormy.map((node) => node.calm()));
      },
    };
  },
};

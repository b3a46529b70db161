/**
 * Members of consumer groups, real processes of every client library: they share a topic's partitions, read all records, commit, join
 * and leave. In the slow suite, under load, one is killed, one is paused for longer than its session, and one joins. What must hold is in
 * group_watch.ts; the programs are in clients/.
 */
import assert from "node:assert/strict";
import { startTestBroker, temporaryDirectory, type TestBroker } from "./broker.ts";
import { dumpGroupRecords } from "./dump_log.ts";
import { type CoordinatorClient, groupClients, mixedClients } from "./group_clients.ts";
import { GroupMember } from "./group_member.ts";
import { assertCommitsFollowReads, assertInOrder, GroupWatch } from "./group_watch.ts";
import { eachProves, together } from "./matrix/matrix.ts";
import { type InteropTest, interopTest, type Need, slowTestsWanted } from "./toolchain.ts";

const PARTITIONS = 5;

/** Settings of every member (clients/README.md). */
const SESSION_MS = 6000;

/** Groups that run at once: members wait for heartbeats most of the time. */
const CONCURRENT_GROUPS = 3;

/** Short heartbeats and sessions, which make the tests fast. */
const brokerSettings = {
  "group.min.session.timeout.ms": "6000",
  "group.consumer.min.session.timeout.ms": "6000",
  "group.consumer.session.timeout.ms": "6000",
  "group.consumer.min.heartbeat.interval.ms": "300",
  "group.consumer.heartbeat.interval.ms": "300",
};

/** A group with its broker, its topic, and programs of one library or of several in turn. */
class Scenario implements AsyncDisposable {
  readonly watch: GroupWatch;
  readonly #broker: TestBroker;
  readonly #clients: readonly CoordinatorClient[];

  private constructor(broker: TestBroker, clients: readonly CoordinatorClient[], watch: GroupWatch) {
    this.#broker = broker;
    this.#clients = clients;
    this.watch = watch;
  }

  static async start(broker: TestBroker, name: string, clients: readonly CoordinatorClient[]): Promise<Scenario> {
    const word = name.replaceAll(" ", "-");
    const watch = await GroupWatch.start(broker.port, { topic: `topic-${word}`, group: `group-${word}` }, PARTITIONS);
    return new Scenario(broker, clients, watch);
  }

  /** Starts one more member; `instance` is its name where members are static. */
  join(instance: string): GroupMember {
    const { watch } = this;
    const client = this.#clients[watch.members.length % this.#clients.length]!;
    const membership = {
      topic: watch.topic,
      group: watch.group,
      instance,
      bootstrapServers: this.#broker.bootstrapServers,
    };
    const member = new GroupMember(`${client.name} ${instance}`, client.command(membership));
    watch.members.push(member);
    return member;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.watch[Symbol.asyncDispose]();
  }
}

/** Subscribe, read, commit; a second member joins, the first leaves; the group becomes empty and continues where it was. */
async function comeAndGo(broker: TestBroker, client: CoordinatorClient): Promise<void> {
  await using scenario = await Scenario.start(broker, client.name, [client]);
  const { watch } = scenario;
  watch.mayMoveBack = client.commitsBack;
  await watch.write(20);
  const first = scenario.join("a");
  await watch.untilAllCommitted();
  await watch.untilShared([first]);
  assert.equal(await watch.isClassic(), !client.consumerProtocol, "the protocol is the one asked for");
  const second = scenario.join("b");
  await watch.untilShared([first, second]);
  await watch.write(20);
  await watch.untilAllCommitted();
  await first.leave();
  const last = client.isStatic ? await comeBack(scenario, first, second) : second;
  await watch.untilShared([last]);
  await watch.write(20);
  await watch.untilAllCommitted();
  await last.leave();
  const ends = [...watch.ends];
  await watch.write(5);
  scenario.join(last === second ? "b" : "a");
  await watch.untilAllCommitted();
  // The last member left cleanly, so nothing is read twice.
  for (const record of watch.members.at(-1)!.reads) assert(record === null || record.offset >= ends[record.partition]!);
  await watch.members.at(-1)!.leave();
  watch.verify();
}

/**
 * A static member that ended gets its partitions back without a rebalance; then the other one ends for good. If the machine is so busy
 * that a program takes longer to start than its session lasts, there is a rebalance.
 */
async function comeBack(scenario: Scenario, gone: GroupMember, other: GroupMember): Promise<GroupMember> {
  const { watch } = scenario;
  const changes = other.assignments;
  const start = performance.now();
  const again = scenario.join("a");
  await watch.until("the member is back", () => again.owned !== null);
  const inTime = performance.now() - start < SESSION_MS - 2000;
  if (inTime) assert.deepEqual(again.owned, gone.owned?.length ? gone.owned : again.owned);
  await watch.untilShared([again, other]);
  if (inTime) assert.equal(other.assignments, changes, "the other member keeps its partitions without a rebalance");
  await other.leave();
  return again;
}

/** Under load: a third member joins, one is killed, one is paused for longer than its session and continues. */
async function survive(broker: TestBroker, name: string, clients: readonly CoordinatorClient[]): Promise<void> {
  await using scenario = await Scenario.start(broker, `${name} faults`, clients);
  const { watch } = scenario;
  watch.mayMoveBack = clients.some((each) => each.commitsBack);
  watch.trickle();
  const first = scenario.join("a");
  const second = scenario.join("b");
  await watch.untilShared([first, second]);
  const third = scenario.join("c");
  await watch.untilShared([first, second, third]);
  await second.kill();
  await watch.untilShared([first, third]);
  first.signal("SIGSTOP");
  await watch.until("the third has all", () => watch.partitions === third.owned?.length);
  first.signal("SIGCONT");
  await watch.untilShared([first, third]);
  const fourth = scenario.join("d");
  await watch.untilShared([first, third, fourth]);
  await watch.untilAllCommitted();
  for (const member of [first, third, fourth]) await member.leave();
  watch.verify();
}

/** Runs a scenario for each client, some at once, and reports each as a step. */
async function runAll<T extends { name: string }>(
  context: Deno.TestContext,
  items: readonly T[],
  run: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const done = new Map(items.map((item) => [item, Promise.withResolvers<void>()]));
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      await run(item).then(done.get(item)!.resolve, done.get(item)!.reject);
    }
  };
  const workers = Array.from({ length: CONCURRENT_GROUPS }, worker);
  for (const { promise } of done.values()) promise.catch(() => {}); // reported by its step
  for (const item of items) await context.step(item.name, () => done.get(item)!.promise);
  await Promise.all(workers);
}

/** A test in which every client has a group on one broker. */
function groupTest(
  test: Omit<InteropTest, "fn" | "needs">,
  clients: readonly CoordinatorClient[],
  run: GroupRun,
): void {
  const only = Deno.env.get("BARNABAS_INTEROP_CLIENTS");
  const chosen = clients.filter((each) => only === undefined || new RegExp(only).test(each.name));
  interopTest({
    ...test,
    proves: only === undefined ? test.proves : undefined,
    needs: [...new Set<Need>([...chosen.map((each) => each.need), "kafka"])],
    async fn(context) {
      using directory = temporaryDirectory();
      await using broker = await startTestBroker({ dataDir: directory.path, overrides: brokerSettings });
      await run(context, broker, chosen);
      await broker.close();
      await context.step("DumpLogSegments prints every record of __consumer_offsets", async () => {
        const types = await dumpGroupRecords(broker.dataDir);
        const classic = chosen.some((each) => !each.consumerProtocol) ? [2] : [];
        const consumer = chosen.some((each) => each.consumerProtocol) ? [3, 5, 6, 7, 8] : [];
        const regex = chosen.some((each) => each.name.endsWith("regex")) ? [16] : [];
        const expected = [1, ...classic, ...consumer, ...regex];
        assert.deepEqual([...types.keys()].sort((a, b) => a - b), expected);
      });
    },
  });
}

type GroupRun = (context: Deno.TestContext, broker: TestBroker, clients: readonly CoordinatorClient[]) => Promise<void>;

groupTest(
  {
    name: "groups: members of each client join, share, commit, leave, and continue where the group was",
    proves: together(
      ...groupClients.map(({ name, consumerProtocol }) =>
        eachProves([name.split(" ")[0]!], ["consume", consumerProtocol ? "consumer" : "classic"])
      ),
    ),
  },
  groupClients,
  (context, broker, clients) => runAll(context, clients, (client) => comeAndGo(broker, client)),
);

groupTest(
  { name: "groups: a member of each client is killed, one is paused, others join, and nothing is lost", slow: true },
  groupClients,
  (context, broker, clients) => runAll(context, clients, (client) => survive(broker, client.name, [client])),
);

for (const assignor of ["range", "roundrobin"] as const) {
  const clients = mixedClients(assignor);
  groupTest(
    { name: `groups: members of different clients share one group by ${assignor}` },
    clients,
    async (context, broker, chosen) => {
      await context.step(chosen.map((each) => each.name).join(", "), () => mix(broker, assignor, chosen));
    },
  );
}

/** Every library has one member in the same group; they leave one after the other. */
async function mix(broker: TestBroker, name: string, clients: readonly CoordinatorClient[]): Promise<void> {
  await using scenario = await Scenario.start(broker, `mixed ${name}`, clients);
  const { watch } = scenario;
  watch.trickle();
  const left = [];
  // At most one member per partition, so that each has one; the others join when some have left.
  for (const [at, { name: instance }] of clients.entries()) {
    left.push(scenario.join(instance.replaceAll(" ", "-")));
    if (at >= PARTITIONS - 2) {
      await watch.untilShared(left);
      await left.shift()!.leave();
    }
  }
  await watch.untilShared(left);
  if (slowTestsWanted()) await left.shift()!.kill();
  await watch.untilShared(left);
  await watch.untilAllCommitted();
  for (const member of left) await member.leave();
  watch.verify();
}

Deno.test("assertInOrder() and assertCommitsFollowReads() notice a skipped record and a commit of it", () => {
  const read = (offset: number) => ({ partition: 0, offset });
  const inOrder = { name: "m", reads: [null, read(0), read(1), null, read(5), read(4), read(5), read(6)], commits: [] };
  assertInOrder(inOrder);
  assert.throws(() => assertInOrder({ ...inOrder, reads: [...inOrder.reads, read(8)] }), /without a gap/);
  assertCommitsFollowReads({ ...inOrder, commits: [read(2), read(7)] });
  assert.throws(() => assertCommitsFollowReads({ ...inOrder, commits: [read(4)] }), /has read what it commits/);
  assert.throws(() => assertCommitsFollowReads({ ...inOrder, commits: [read(7), read(2)] }), /does not commit back/);
});

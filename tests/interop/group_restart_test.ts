/**
 * The broker is killed while consumer groups have members, and another starts on the same port and directory: this broker after Apache
 * Kafka, and this broker after itself. Members notice a pause only: they keep their ids and partitions, and no acknowledged commit is
 * missing.
 */
import { startApacheKafka } from "../../bench/peer/apache_kafka.ts";
import { type BrokerProcess, startBrokerProcess, temporaryDirectory, testsApacheKafka } from "./broker.ts";
import { groupClients } from "./group_clients.ts";
import { GroupMember } from "./group_member.ts";
import { GroupWatch } from "./group_watch.ts";
import { interopTest, slowTestsWanted } from "./toolchain.ts";

const PARTITIONS = 4;

/** Clients of this test, each with a group of two members. */
const CLIENTS = ["franz-go cooperative-sticky", "franz-go consumer", "confluent-kafka consumer", "kafka-python range"];

interopTest({
  name: "restart: this broker is killed while groups have members, and continues with the same members",
  needs: ["go", "python"],
  async fn(context) {
    using directory = temporaryDirectory();
    const dataDir = directory.path;
    let broker = await startBrokerProcess({ dataDir });
    const { port } = broker;
    await underMembers(context, port, async (step) => {
      for (let round = 1; round <= (slowTestsWanted() ? 10 : 2); round++) {
        await step(`round ${round}`, async () => {
          await broker.process.kill();
          broker = await startBrokerProcess({ dataDir, port });
        });
      }
    });
    await broker[Symbol.asyncDispose]();
  },
});

if (!testsApacheKafka) {
  interopTest({
    name: "restart: Apache Kafka is killed while groups have members, and this broker continues with the same members",
    needs: ["kafka", "go", "python"],
    async fn(context) {
      using directory = temporaryDirectory();
      const kafka = await startApacheKafka({ directory: directory.path });
      let broker: BrokerProcess | null = null;
      await underMembers(context, kafka.port, async (step) => {
        await step("this broker takes over", async () => {
          await kafka.process.kill();
          broker = await startBrokerProcess({ dataDir: kafka.dataDir, port: kafka.port });
        });
      });
      await broker![Symbol.asyncDispose]();
    },
  });
}

type Step = (name: string, change: () => Promise<void>) => Promise<void>;

/** Runs the groups of all clients at once, which read while `changes` replaces the broker. */
async function underMembers(
  context: Deno.TestContext,
  port: number,
  changes: (step: Step) => Promise<void>,
): Promise<void> {
  await using running = new AsyncDisposableStack();
  const watches: GroupWatch[] = [];
  for (const client of groupClients.filter((each) => CLIENTS.includes(each.name))) {
    const word = client.name.replaceAll(" ", "-");
    const watch = await GroupWatch.start(port, { topic: `topic-${word}`, group: `group-${word}` }, PARTITIONS);
    watches.push(running.use(watch));
    for (const instance of ["a", "b"]) {
      const membership = { topic: watch.topic, group: watch.group, instance, bootstrapServers: `127.0.0.1:${port}` };
      watch.members.push(new GroupMember(`${client.name} ${instance}`, client.command(membership)));
    }
    watch.trickle();
  }
  const shared = () => Promise.all(watches.map((watch) => watch.untilShared(watch.members)));
  await shared();
  await changes(async (name, change) => {
    await context.step(name, async () => {
      const changed = Promise.withResolvers<void>();
      const waiting = watches.map(() => Promise.withResolvers<void>());
      const across = watches.map((watch, at) =>
        watch.across(port, () => {
          waiting[at]!.resolve();
          return changed.promise;
        })
      );
      await Promise.all(waiting.map(({ promise }) => promise));
      await change().then(changed.resolve, changed.reject);
      await Promise.all(across);
      await shared();
      const ends = watches.map((watch) => [...watch.ends]);
      await Promise.all(
        watches.map((watch, at) =>
          watch.until("commits continue", () => watch.committed.every((offset, p) => offset > ends[at]![p]!))
        ),
      );
    });
  });
  for (const watch of watches) {
    await watch.untilAllCommitted();
    for (const member of watch.members) await member.leave();
    watch.verify();
  }
}

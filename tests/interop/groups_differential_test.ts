/**
 * Every group API against Apache Kafka, misuse included: the same scripts of requests, the same answers. The fast test compares
 * with what Kafka 4.3.1 answered when tests/interop/groups/record.ts was run; the slow one plays them against Kafka again.
 * BARNABAS_SCENARIO plays those whose names contain it.
 */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import { startApacheKafka } from "../../bench/peer/apache_kafka.ts";
import { startTestBroker, temporaryDirectory, testsApacheKafka } from "./broker.ts";
import { deliberateDifferences } from "./groups/deliberate_differences.ts";
import { playAgainstKafka, readRecording, scenarios } from "./groups/recording.ts";
import { type Line, play, SETTINGS } from "./groups/session.ts";
import { interopTest } from "./toolchain.ts";

const wanted = Deno.env.get("BARNABAS_SCENARIO") ?? "";
const chosen = scenarios.filter(({ name }) => name.includes(wanted));

interopTest({
  name: "group APIs answer as Apache Kafka does, misuse included",
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path, overrides: SETTINGS });
    const differences = testsApacheKafka ? new Map() : deliberateDifferences;
    await compare(context, {
      expected: (await readRecording()).map((line) => differences.get(keyOf(line))?.(line) ?? line),
      found: await play(broker.port, chosen),
    });
  },
});

interopTest({
  name: "Apache Kafka still answers as recorded",
  needs: ["kafka"],
  slow: true,
  async fn(context) {
    const found = await playAgainstKafka(startApacheKafka);
    await compare(context, { expected: await readRecording(), found });
  },
});

Deno.test("the recording has every scenario, and every deliberate difference has its line", async () => {
  const recorded = await readRecording();
  deepEqual([...new Set(recorded.map(({ scenario }) => scenario))], scenarios.map(({ name }) => name));
  equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length, "two scenarios have the same name");
  const lines = new Map(recorded.map((line) => [keyOf(line), line]));
  for (const [key, change] of deliberateDifferences) {
    const line = lines.get(key);
    notEqual(line, undefined, key);
    notEqual(JSON.stringify(change(line!).answer), JSON.stringify(line!.answer), `${key} is not different`);
  }
});

function keyOf({ scenario, step }: Line): string {
  return `${scenario} #${step}`;
}

async function compare(
  context: Deno.TestContext,
  lines: { readonly expected: readonly Line[]; readonly found: readonly Line[] },
): Promise<void> {
  for (const { name } of chosen) {
    const of = (all: readonly Line[]) => all.filter(({ scenario }) => scenario === name);
    const expected = of(lines.expected);
    const found = of(lines.found);
    await context.step(name, () => {
      for (const [index, line] of found.entries()) {
        deepEqual(line, expected[index], `step ${line.step}, ${line.request}, differs`);
      }
      equal(found.length, expected.length, "steps");
    });
  }
}

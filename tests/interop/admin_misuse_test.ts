/**
 * Every admin API against Apache Kafka, misuse included: the same requests, the same answers. Compared with what Kafka 4.3.1
 * answered when tests/interop/admin/record.ts was run. Where Kafka says nothing beside the code, this broker may say a sentence.
 */
import { deepEqual } from "node:assert/strict";
import { adminCases } from "./admin/cases.ts";
import { playAdminCases, readRecording } from "./admin/play.ts";
import { startTestBroker, temporaryDirectory } from "./broker.ts";
import { interopTest } from "./toolchain.ts";

interopTest({
  name: "admin APIs answer as Apache Kafka does, misuse included",
  async fn(context) {
    using directory = temporaryDirectory();
    await using broker = await startTestBroker({ dataDir: directory.path });
    const found = await playAdminCases(broker.port);
    const recorded = await readRecording();
    for (const [index, { name, answer }] of recorded.entries()) {
      await context.step(name, () => deepEqual(withoutWords(found[index]?.answer, answer), answer));
    }
  },
});

Deno.test("the recording of the admin APIs has every case, and no other", async () => {
  const names = (await readRecording()).map(({ name }) => name);
  deepEqual(names, adminCases.map(({ name }) => name));
});

/** The answer with its sentences as empty as Kafka's, where Kafka's are. */
function withoutWords(found: unknown, expected: unknown): unknown {
  if (Array.isArray(found) && Array.isArray(expected)) {
    return found.map((item, index) => withoutWords(item, expected[index]));
  }
  if (typeof found !== "object" || typeof expected !== "object" || found === null || expected === null) return found;
  const like = expected as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(found).map(([name, value]) => [
      name,
      name === "errorMessage" && !like[name] ? like[name] : withoutWords(value, like[name]),
    ]),
  );
}

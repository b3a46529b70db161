/**
 * Records the fixtures of one version: a directory after a clean stop, and one after a kill.
 *
 *   deno run -A tests/upgrade/record.ts <version> [its main.ts]
 *
 * They are recorded once and never again: a directory that a user has does not change either.
 */
// deno-lint-ignore-file no-console -- a tool's own words
import { BrokerProcess } from "../broker_process.ts";
import { readContents, writeContents } from "./contents.ts";
import { pack } from "./fixture.ts";

const [version, program] = Deno.args;
if (version === undefined) {
  console.error("usage: deno run -A tests/upgrade/record.ts <version> [main.ts]");
  Deno.exit(2);
}
// All partitions of __consumer_offsets would fill the fixture with empty files.
const overrides = { "offsets.topic.num.partitions": "2" };
for (const ending of ["stopped", "killed"] as const) {
  const dataDir = await Deno.makeTempDir({ prefix: "barnabas-upgrade-" });
  const options = { dataDir, overrides, ...(program === undefined ? {} : { program }) };
  {
    await using broker = await BrokerProcess.start(options);
    await writeContents(broker.port);
    await broker.stop();
  }
  await using broker = await BrokerProcess.start(options);
  const contents = await readContents(broker.port);
  await (ending === "stopped" ? broker.stop() : broker.kill());
  console.log(`${version}-${ending}: ${pack(`${version}-${ending}`, dataDir, contents)} bytes`);
  await Deno.remove(dataDir, { recursive: true });
}

/**
 * Runs every test that proves something of a client, writes down what has passed, and makes README.md's table of it. Main isolate:
 *
 *    deno task generate:matrix
 */
import { readmeWithTables } from "../../tidy/readme_tables.ts";
import { readText, sources } from "../../tidy/repository.ts";
import { type Proofs, PROVEN } from "./matrix.ts";
import type { ProvenLine } from "./proofs.ts";

if (import.meta.main) {
  const results = await Deno.makeTempFile();
  try {
    const files = sources.filter(({ path, text }) => path.endsWith("_test.ts") && /^ {2,4}proves:/m.test(text));
    const run = new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", ...files.map(({ path }) => path)],
      env: { BARNABAS_INTEROP_RESULTS: results, CI: "true" },
      cwd: new URL("../../..", import.meta.url),
    }).spawn();
    if (!(await run.status).success) throw new Error("Cannot make the matrix: a test has failed");
    const lines = (await Deno.readTextFile(results)).split("\n").filter((line) => line !== "");
    const proven: Record<string, Record<string, Proofs>> = {};
    for (const { file, test, proofs } of lines.sort().map((line) => JSON.parse(line) as ProvenLine)) {
      (proven[file] ??= {})[test] = proofs;
    }
    await Deno.writeTextFile(PROVEN, `${JSON.stringify(proven, null, 2)}\n`);
    const readme = new URL("../../../README.md", import.meta.url);
    await Deno.writeTextFile(readme, readmeWithTables(readText("README.md")));
  } finally {
    await Deno.remove(results);
  }
}

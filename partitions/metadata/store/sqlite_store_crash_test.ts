import assert from "node:assert/strict";
import { join } from "node:path";
import { withDirectory } from "../../../tests/temporary_directory.ts";
import { SqliteStore } from "./sqlite_store.ts";

/**
 * A writer: commits numbered transactions one after the other, and prints each number after its promise has settled. Each transaction sets
 * `last` and a row of its own to its number.
 */
const writer = `
  import { SqliteStore } from ${JSON.stringify(new URL("./sqlite_store.ts", import.meta.url).href)};
  const store = new SqliteStore();
  await store.open(Deno.args[0]);
  const stdout = Deno.stdout;
  for (let number = Number(Deno.args[1]); ; number++) {
    const value = String(number);
    await store.transact({ set: [{ key: "last", value }, { key: "row/" + value, value }] });
    stdout.writeSync(new TextEncoder().encode(value + "\\n"));
  }`;

/** Starts the writer, kills it after it has acknowledged `count` transactions. @returns the last number acknowledged */
async function writeAndKill(path: string, start: number, count: number): Promise<number> {
  const script = join(path, "..", "writer.ts");
  await Deno.writeTextFile(script, writer);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", "--no-check", script, path, String(start)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  let isKilled = false;
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    text += decoder.decode(bytes);
    if (isKilled || text.split("\n").length <= count) continue;
    isKilled = true;
    child.kill("SIGKILL");
  }
  const status = await child.status;
  assert.equal(status.signal, "SIGKILL");
  const whole = text.slice(0, text.lastIndexOf("\n"));
  return Number(whole.split("\n").at(-1));
}

Deno.test("SqliteStore keeps every acknowledged transaction in full when its process is killed between writes", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "store.sqlite");
    let start = 1;
    for (const count of [1, 7, 40]) {
      const acknowledged = await writeAndKill(path, start, count);
      const store = new SqliteStore();
      await store.open(path);
      const last = Number((await store.get("last"))?.value);
      const rows = await store.range("row/");
      await store.close();
      assert.ok(acknowledged >= start, "the writer got somewhere");
      assert.ok(last >= acknowledged, `${acknowledged} was acknowledged, the store ends at ${last}`);
      const numbers = rows.map(({ value }) => Number(value)).sort((a, b) => a - b);
      assert.deepEqual(numbers, Array.from({ length: last }, (_, index) => index + 1));
      start = last + 1;
    }
  }));

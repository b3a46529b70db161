/**
 * The files for those who install the broker say what the program understands.
 */
import { strict as assert } from "node:assert";
import { parseCommandLine } from "../partitions/config/command_line/command_line.ts";

Deno.test("packaging/barnabas.service starts the broker with flags that it has, as a service that says when it is ready", async () => {
  const unit = await Deno.readTextFile(new URL("../packaging/barnabas.service", import.meta.url));
  const valueOf = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1] ?? assert.fail(name);
  const [program = "", ...args] = valueOf("ExecStart").split(" ");
  assert.equal(program.split("/").at(-1), "barnabas");
  const read: string[] = [];
  const plan = parseCommandLine(args, (path) => (read.push(path), "num.partitions=3\n"));
  assert(plan.kind === "run", JSON.stringify(plan));
  assert.deepEqual([plan.config.logDirectories, plan.config.numPartitions], [["/var/lib/barnabas"], 3]);
  assert.deepEqual(read, ["/etc/barnabas/server.properties"]);
  assert.deepEqual(["Type", "StateDirectory", "RestartPreventExitStatus"].map(valueOf), ["notify", "barnabas", "2"]);
});

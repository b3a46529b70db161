import { strict as assert } from "node:assert";
import { descriptorsMax } from "./descriptors.ts";

Deno.test("descriptorsMax() reads the soft limit and assumes 1024 where it cannot", () => {
  const text =
    "Limit   Soft Limit  Hard Limit  Units\nMax open files            256                  20000                files\n";
  assert.equal(descriptorsMax(text), 256);
  assert.equal(descriptorsMax("Max open files            unlimited            unlimited            files"), Infinity);
  assert.equal(descriptorsMax("Max processes 7 7 processes"), 1024);
  assert.ok(descriptorsMax(Deno.readTextFileSync("/proc/self/limits")) > 2);
});

/** Runs in a process of its own, because other tests in this process open descriptors at the same time. */
const program = `
  import { duplicate, nextDescriptor } from ${JSON.stringify(new URL("./descriptors.ts", import.meta.url).href)};
  import { closeDescriptor, openDescriptor } from ${JSON.stringify(new URL("./sockets.ts", import.meta.url).href)};
  const fd = openDescriptor("/dev/null");
  const next = nextDescriptor(fd);
  const again = nextDescriptor(fd);
  const copy = duplicate(fd);
  const afterCopy = nextDescriptor(fd);
  closeDescriptor(copy);
  const afterClose = nextDescriptor(fd);
  console.log(JSON.stringify({ next, again, copy, afterCopy, afterClose, ofNone: String(nextDescriptor(-1)) }));
`;

Deno.test("nextDescriptor() returns the number that the next descriptor gets, and Infinity when it cannot duplicate one", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", program],
    stderr: "inherit",
  }).output();
  const { next, again, copy, afterCopy, afterClose, ofNone } = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(again, next, "asking takes none");
  assert.equal(copy, next);
  assert.ok(afterCopy > copy);
  assert.equal(afterClose, next);
  assert.equal(ofNone, "Infinity");
});

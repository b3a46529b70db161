import { strict as assert } from "node:assert";
import { descriptorsMax, nextDescriptor } from "./descriptors.ts";
import { closeDescriptor, duplicate, openDescriptor } from "./sockets.ts";

Deno.test("descriptorsMax() reads the soft limit, and believes in 1024 where it cannot", () => {
  const text =
    "Limit   Soft Limit  Hard Limit  Units\nMax open files            256                  20000                files\n";
  assert.equal(descriptorsMax(text), 256);
  assert.equal(descriptorsMax("Max open files            unlimited            unlimited            files"), Infinity);
  assert.equal(descriptorsMax("Max processes 7 7 processes"), 1024);
  assert.ok(descriptorsMax(Deno.readTextFileSync("/proc/self/limits")) > 2);
});

Deno.test("nextDescriptor() tells the number that the next descriptor gets, Infinity without an open one to ask by", () => {
  const fd = openDescriptor("/dev/null");
  const next = nextDescriptor(fd);
  assert.equal(nextDescriptor(fd), next, "asking takes none");
  const copy = duplicate(fd);
  assert.equal(copy, next);
  assert.ok(nextDescriptor(fd) > copy);
  closeDescriptor(copy);
  assert.equal(nextDescriptor(fd), next);
  closeDescriptor(fd);
  assert.equal(nextDescriptor(-1), Infinity);
});

import assert from "node:assert/strict";
import { SaltedSecret, saltSecret } from "./salted_secret.ts";

Deno.test("SaltedSecret salts once for each salt, and forgets the oldest", async () => {
  const secret = new SaltedSecret("a secret of brokers");
  const salting = (salt: number, iterations = 1) => ({ salt: new Uint8Array([salt >> 8, salt]), iterations });
  const first = secret.salted(salting(0));
  assert.equal(secret.salted(salting(0)), first, "the same promise");
  assert.deepEqual(await first, await saltSecret("a secret of brokers", salting(0)));
  assert.notDeepEqual(await secret.salted(salting(0, 2)), await first);
  const all = [];
  for (let salt = 1; salt <= 256; salt++) all.push(secret.salted(salting(salt)));
  assert.notEqual(secret.salted(salting(0)), first, "it was salted again");
  assert.equal(secret.salted(salting(256)), all.at(-1));
  await Promise.all(all);
});

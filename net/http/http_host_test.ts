import { strict as assert } from "node:assert";
import { HttpHost } from "./http_host.ts";

Deno.test("HttpHost answers 503 for a page that cannot be made, reports why, and goes on", async () => {
  const warnings: string[] = [];
  let isBroken = true;
  const host = new HttpHost({
    hostname: "127.0.0.1",
    port: 0,
    warn: (sentence) => warnings.push(sentence),
    page: (name) => {
      if (isBroken) return Promise.reject(new Error("a bug"));
      return Promise.resolve({ status: 200, contentType: "text/plain", text: `${name}\n` });
    },
  });
  await using _closed = host;
  const get = async () => {
    const response = await fetch(`http://127.0.0.1:${await host.listening()}/healthz`);
    return [response.status, await response.text()] as const;
  };
  assert.deepEqual(await get(), [503, "Cannot make the page of health: Error: a bug\n"]);
  assert.match(warnings.join("\n"), /^Cannot make the page of health: Error: a bug\n +at /);
  isBroken = false;
  // The broken page is answered for a moment, as any other.
  for (let answer = await get();; answer = await get()) {
    if (answer[0] === 200) return assert.equal(answer[1], "health\n");
  }
});

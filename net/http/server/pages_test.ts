import { strict as assert } from "node:assert";
import { ManualClock } from "../../../storage/base/clock.ts";
import type { PageName } from "../http_messages.ts";
import { HTTP_LIMITS } from "./http_limits.ts";
import { Pages } from "./pages.ts";

const text = (content: string) => ({ status: 200, contentType: "text/plain", text: content }) as const;

function newPages() {
  const clock = new ManualClock();
  const asked: [PageName, number][] = [];
  const pages = new Pages({ limits: HTTP_LIMITS, clock, ask: (name, id) => asked.push([name, id]) });
  return { clock, asked, pages };
}

Deno.test("Pages.page() asks the main isolate once for all who ask at a time, and not again for a while", async () => {
  const { clock, asked, pages } = newPages();
  const waiting = [pages.page("metrics"), pages.page("metrics"), pages.page("health")];
  assert.deepEqual(asked, [["metrics", 1], ["health", 2]]);
  await pages.receive(1, text("a"));
  await pages.receive(2, text("b"));
  const [first, second, third] = await Promise.all(waiting);
  assert.equal(first, second);
  assert.equal(new TextDecoder().decode(third?.body), "b");
  assert.deepEqual([first?.serial, third?.serial, pages.newest], [1, 0, 1], "only pages of metrics are counted");
  clock.advance(HTTP_LIMITS.pageMs.metrics - 1);
  assert.equal(await pages.page("metrics"), first, "the same bytes");
  clock.advance(1);
  const next = pages.page("metrics");
  assert.deepEqual(asked.slice(2), [["metrics", 3]]);
  await pages.receive(3, text("c"));
  assert.ok((await next).serial > (first?.serial ?? Infinity));
});

Deno.test("Pages.sweep() answers 503 when the main isolate is silent; its late answer is dropped", async () => {
  const { clock, asked, pages } = newPages();
  const waiting = pages.page("health");
  clock.advance(HTTP_LIMITS.answerMs.health - 1);
  pages.sweep();
  clock.advance(1);
  pages.sweep();
  assert.equal((await waiting).status, 503);
  await pages.receive(1, text("late"));
  const next = pages.page("health");
  assert.equal(asked.length, 2, "it is asked again");
  await pages.receive(2, text("alive"));
  assert.equal((await next).status, 200);
  await pages.receive(99, text("never asked for"));
});

Deno.test("Pages.page() gives a page ten times as long as it took, but not for longer than seconds", async () => {
  for (const [tookMs, keptMs] of [[10, 500], [200, 2000], [3000, 5000]] as const) {
    const { clock, asked, pages } = newPages();
    const page = pages.page("metrics");
    clock.advance(tookMs);
    await pages.receive(1, text("a"));
    await page;
    clock.advance(keptMs - 1);
    await pages.page("metrics");
    assert.equal(asked.length, 1);
    clock.advance(1);
    void pages.page("metrics");
    assert.equal(asked.length, 2);
  }
});

Deno.test("Pages compress what is worth it, and the compressed bytes are the text", async () => {
  const { pages } = newPages();
  const content = "kafka_server_brokertopicmetrics_bytesin_total 1\n".repeat(1000);
  const large = pages.page("metrics");
  await pages.receive(1, text(content));
  const { gzip, body } = await large;
  assert.ok(gzip !== null && gzip.length < body.length / 10);
  const stream = new Blob([gzip.slice()]).stream().pipeThrough(new DecompressionStream("gzip"));
  assert.equal(await new Response(stream).text(), content);
  const small = pages.page("health");
  await pages.receive(2, text("alive"));
  assert.equal((await small).gzip, null);
});

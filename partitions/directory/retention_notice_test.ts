import { strict as assert } from "node:assert";
import type { TopicForecast } from "../retention/retention_events.ts";
import { describeForecast, RetentionNotice } from "./retention_notice.ts";

/** A notice of a broker with two shards, and what it said and did. */
function noticed(changes: { mark?: () => Promise<void>; checkMs?: number } = {}) {
  const said: string[] = [];
  const marks: string[] = [];
  const notice = new RetentionNotice({
    shardsCount: 2,
    checkMs: 300_000,
    bootstrapServers: "h:1",
    mark: async () => void marks.push(await "marked"),
    warn: (text) => void said.push(`warning: ${text}`),
    inform: (text) => void said.push(`info: ${text}`),
    ...changes,
  });
  return { notice, said, marks };
}

function forecast(topic: string, changes: Partial<TopicForecast> = {}): TopicForecast {
  const rules = { bySize: false, byTime: false, retentionMs: 604800000, retentionBytes: -1 };
  return { topic, partitions: 0, segments: 0, bytes: 0, ...rules, nextMs: Infinity, ...changes };
}

const aged = (topic: string, segments: number, bytes: number) =>
  forecast(topic, { partitions: 1, segments, bytes, byTime: true, nextMs: 1_700_000_000_000 });

Deno.test("RetentionNotice says per topic what goes, when, and how to keep it, once all shards have answered", () => {
  const { notice, said } = noticed();
  notice.receive({
    kind: "forecast",
    topics: [aged("orders", 2, 1000), forecast("users", { nextMs: 1_700_000_000_000 })],
  });
  assert.deepEqual(said, []);
  notice.receive({ kind: "forecast", topics: [aged("orders", 1, 2_500_000_000), aged("events", 1, 999)] });
  assert.deepEqual(said, [
    "warning: Retention applies to this directory from now on: it removes old segments as retention.ms and retention.bytes of their " +
    "topics say, for the first time in 5 min. Until then nothing is removed",
    "warning: Topic orders: retention removes 3 segments (2.5 GB) of 2 partitions in 5 min (retention.ms=604800000). To keep them: " +
    "kafka-configs.sh --bootstrap-server h:1 --alter --entity-type topics --entity-name orders --add-config retention.ms=-1",
    "warning: Topic events: retention removes 1 segment (999 bytes) of 1 partition in 5 min (retention.ms=604800000). To keep them: " +
    "kafka-configs.sh --bootstrap-server h:1 --alter --entity-type topics --entity-name events --add-config retention.ms=-1",
    "info: Topic users: retention removes nothing before 2023-11-14T22:13:20.000Z (retention.ms=604800000)",
  ]);
});

Deno.test("describeForecast() names the rules that remove, and both when both do", () => {
  const at = { wait: "5 min", bootstrapServers: "h:1" };
  const both = { segments: 2, bytes: 1, partitions: 1, bySize: true, byTime: true, retentionBytes: 7 };
  assert.match(
    describeForecast(forecast("t", both), at),
    /\(retention\.ms=604800000 and retention\.bytes=7\)\. .* --add-config retention\.ms=-1,retention\.bytes=-1$/,
  );
  assert.match(
    describeForecast(forecast("t", { ...both, byTime: false }), at),
    /\(retention\.bytes=7\)\. .*retention\.bytes=-1$/,
  );
  assert.equal(
    describeForecast(forecast("t", { retentionMs: -1, retentionBytes: 7 }), at),
    "Topic t: retention removes nothing for now (retention.bytes=7)",
  );
  assert.match(describeForecast(forecast("t", { nextMs: 9e18 }), at), /nothing before the end of time/);
});

Deno.test("RetentionNotice says nothing of a directory without records, and names at most 100 topics", () => {
  const empty = noticed();
  for (let shard = 0; shard < 2; shard++) empty.notice.receive({ kind: "forecast", topics: [] });
  assert.deepEqual(empty.said, []);
  const { notice, said } = noticed({ checkMs: 1500 });
  notice.receive({ kind: "forecast", topics: Array.from({ length: 150 }, (_, index) => aged(`t${index}`, 1, index)) });
  notice.receive({ kind: "forecast", topics: [] });
  assert.equal(said.length, 102);
  assert.match(said[0] ?? "", /for the first time in 2 s\./);
  assert.equal(said.at(-1), "warning: … and 50 more topics with retention");
});

Deno.test("the directory is marked when the first shard begins, once, and a refusal is reported", async () => {
  const { notice, said, marks } = noticed();
  for (let shard = 0; shard < 2; shard++) notice.receive({ kind: "began" });
  notice.receive({ kind: "removed", text: "t-0: retention removes 1 segment" });
  await Promise.resolve();
  assert.deepEqual([marks, said], [["marked"], ["info: t-0: retention removes 1 segment"]]);
  const refused = noticed({ mark: () => Promise.reject(new Error("no room")) });
  refused.notice.receive({ kind: "began" });
  await new Promise((done) => setTimeout(done, 0));
  assert.deepEqual(refused.said, [
    "warning: Cannot note that retention was announced: no room. The next start announces it again",
  ]);
});

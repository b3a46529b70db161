/**
 * librdkafka while a partition is handed over between the broker's shards again and again: an idempotent producer with requests in
 * flight loses, doubles and reorders nothing, and a consumer that reads at the same time gets all records in order.
 */
import assert from "node:assert/strict";
import { startBroker } from "../../mod.ts";
import { Controller } from "../../partitions/control.ts";
import { testsApacheKafka } from "./broker.ts";
import { assertSameLines, TextLineStream } from "./lines.ts";
import { interopTest } from "./toolchain.ts";

const TOPIC = "moving";
const LINES = 200_000;
const LINES_PER_HAND_OVER = 6000;

function kcat(port: number, args: readonly string[]): Deno.ChildProcess {
  const to = ["-b", `127.0.0.1:${port}`, "-t", TOPIC, "-p", "0", "-q"];
  return new Deno.Command("kcat", { args: [...args, ...to], stdin: "piped", stdout: "piped", stderr: "inherit" })
    .spawn();
}

async function writeLines(process: Deno.ChildProcess, lines: readonly string[]): Promise<void> {
  const writer = process.stdin.getWriter();
  for (let at = 0; at < lines.length; at += 1000) {
    await writer.write(new TextEncoder().encode(`${lines.slice(at, at + 1000).join("\n")}\n`));
  }
  await writer.close();
}

interopTest({
  name: "hand-overs: kcat's idempotent producer and consumer continue while their partition changes its shard",
  needs: ["kcat"],
  proves: { kcat: ["produce", "consume", "idempotence"] },
  async fn() {
    // Apache Kafka has no shards.
    if (testsApacheKafka) return;
    await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: TOPIC }] });
    assert.ok("controller" in broker && broker.controller instanceof Controller);
    const { controller } = broker;
    const topicId = controller.image.topic(TOPIC)?.id ?? "";
    const lines = Array.from({ length: LINES }, (_, index) => `line ${index} ${"x".repeat(index % 50)}`);
    const consumer = kcat(broker.port, [
      "-C",
      "-o",
      "beginning",
      "-u",
      "-c",
      String(LINES),
      "-X",
      "fetch.wait.max.ms=50",
    ]);
    const settings = ["enable.idempotence=true", "acks=all", "batch.num.messages=100", "retry.backoff.ms=5"];
    const producer = kcat(broker.port, ["-P", ...settings.flatMap((setting) => ["-X", setting])]);
    const written = writeLines(producer, lines);
    const seen: string[] = [];
    let handOvers = 0;
    const printed = consumer.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of printed) {
      seen.push(line);
      if (seen.length % LINES_PER_HAND_OVER !== 0) continue;
      if (await controller.handOverPartition({ topicId, partition: 0, shard: 1 - handOvers % 2 })) handOvers++;
    }
    await written;
    await producer.stdout.cancel();
    assert.equal((await producer.status).code, 0);
    assert.equal((await consumer.status).code, 0);
    await consumer.stdin.close();
    assertSameLines(seen.join("\n"), lines);
    assert.ok(handOvers > 20, `${handOvers} hand-overs`);
  },
});

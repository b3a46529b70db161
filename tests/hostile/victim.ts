/**
 * A program: the broker that the hostile tests attack, in its own process, so that its memory can be measured. Prints its port, then
 * answers each line on standard input with a line of JSON: the turn times of its shards so far. Ends when its standard input ends, or with
 * exit code 1 and the reason when the broker fails. Test code.
 *
 * Arguments: data directory; settings, as one JSON object.
 */
import { configure, getTextFormatter, type LogRecord } from "npm:@logtape/logtape@2.4.2";
import { startBroker } from "../../mod.ts";
import { VICTIM_TOPICS } from "./victim_topics.ts";

const encoder = new TextEncoder();
const format = getTextFormatter();
const standardError = (record: LogRecord): void => {
  Deno.stderr.writeSync(encoder.encode(format(record)));
};
await configure({
  sinks: { standardError },
  loggers: [
    { category: "barnabas", sinks: ["standardError"], lowestLevel: "info" },
    { category: ["logtape", "meta"], sinks: ["standardError"], lowestLevel: "warning" },
  ],
});

const say = (value: unknown) => Deno.stdout.write(encoder.encode(`${JSON.stringify(value)}\n`));
const broker = await startBroker({
  port: 0,
  shards: 2,
  dataDir: Deno.args[0],
  topics: VICTIM_TOPICS,
  overrides: JSON.parse(Deno.args[1] ?? "{}"),
});
broker.closed.catch((reason: unknown) => {
  const words = reason instanceof Error ? reason.stack ?? reason.message : String(reason);
  Deno.stderr.writeSync(encoder.encode(`The broker failed: ${words}\n`));
  Deno.exit(1);
});
await say(broker.port);
for await (const _question of Deno.stdin.readable) await say(broker.turnTimes());
await broker.close();
Deno.exit(0);

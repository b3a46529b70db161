/** An honest client beside the work of a broker: how long its requests wait. Main isolate of the benchmark. */
import { WireClient } from "../../peer/wire_client.ts";
import type { ProbePrinted } from "../percentiles.ts";
import { generate } from "../shapes/throughput_shapes.ts";
import type { Target } from "../targets.ts";

const TOPIC = "honest";
/** It has partitions on every shard. */
const PARTITIONS = 4;
const CONNECTIONS = 8;
/** Requests of one record of 1 KB a second, of all connections together. */
const RATE = 500;

/** Creates the client's topic. */
export async function prepareHonestClient(target: Target): Promise<void> {
  using client = await WireClient.connect(target.port);
  await client.createTopic(TOPIC, PARTITIONS);
}

/** Measures the client for some time. The first fifth does not count. */
export function honestClient(target: Target, seconds: number): Promise<ProbePrinted> {
  return generate<ProbePrinted>("probe_load", [
    ...["acks", "-b", String(target.port), "-t", TOPIC, "-p", String(PARTITIONS), "-n", String(CONNECTIONS)],
    ...["-f", String(RATE), "-d", seconds.toFixed(2)],
  ]);
}

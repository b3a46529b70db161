/** Where this broker answers differently from Apache Kafka on purpose, each with its reason. Plain data of a test. */
import type { Line } from "./session.ts";

/** Makes what is expected of this broker out of Kafka's line. */
type Change = (kafka: Line) => Line;

/** By "scenario #step". */
export const deliberateDifferences: ReadonlyMap<string, Change> = new Map<string, Change>([]);

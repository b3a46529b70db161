/** The assignors of this broker, by the names that `group.consumer.assignors` and clients use. Pure; any isolate. */
import type { Assign } from "./assignor.ts";
import { assignRange } from "./range_assignor.ts";
import { assignUniform } from "./uniform_assignor.ts";

/** All assignors. */
export const assignors: ReadonlyMap<string, Assign> = new Map([["uniform", assignUniform], ["range", assignRange]]);

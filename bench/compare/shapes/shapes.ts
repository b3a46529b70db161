/** All shapes of load, in the order of the report. */
import { adversityShapes } from "./adversity_shapes.ts";
import { compressionShapes } from "./compression_shapes.ts";
import { durabilityShapes } from "./durability_shapes.ts";
import { footprintShapes } from "./footprint_shapes.ts";
import { groupShapes } from "./group_shapes.ts";
import { hostileShapes } from "./hostile_shapes.ts";
import { latencyShapes } from "./latency_shapes.ts";
import { lifecycleShapes } from "./lifecycle_shapes.ts";
import type { Shape } from "../shape.ts";
import { throughputShapes } from "./throughput_shapes.ts";

/** Every shape that `--only` can name. */
export const SHAPES: readonly Shape[] = [
  ...throughputShapes,
  ...compressionShapes,
  ...latencyShapes,
  ...durabilityShapes,
  ...groupShapes,
  ...footprintShapes,
  ...adversityShapes,
  ...hostileShapes,
  ...lifecycleShapes,
];

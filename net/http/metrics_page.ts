/**
 * The page of `/metrics`. Main isolate, which has other things to do: it makes the page in pieces of a few milliseconds, and at most twice a
 * second (server/http_limits.ts), whoever asks.
 */
import type { MetricSpelling } from "../../partitions/config/broker/broker_http_settings.ts";
import type { PageText } from "./http_messages.ts";
import type { MetricFamily } from "./metric_family.ts";
import { metricLines, METRICS_CONTENT_TYPE } from "./metric_text.ts";

/** Longest piece of work. */
const PIECE_MS = 2;
/** Lines between two looks at the clock. */
const LINES_PER_LOOK = 100;

/** How the work is divided. */
export interface Pieces {
  now(): number;
  /** Lets the isolate do something else. */
  pause(): Promise<void>;
}

/** Makes the text. */
export async function metricsPage(
  families: Iterable<MetricFamily>,
  spelling: MetricSpelling,
  pieces: Pieces,
): Promise<PageText> {
  let text = "";
  let linesCount = 0;
  let beganMs = pieces.now();
  for (const family of families) {
    for (const line of metricLines(family, spelling)) {
      text += line;
      if (++linesCount % LINES_PER_LOOK !== 0 || pieces.now() - beganMs < PIECE_MS) continue;
      await pieces.pause();
      beganMs = pieces.now();
    }
  }
  return { status: 200, contentType: METRICS_CONTENT_TYPE, text };
}

/**
 * How the program writes its log: as text for people or as JSON for programs (`barnabas.log.format`), of each category what
 * `barnabas.log.levels` asks for. Main isolate.
 *
 * ```
 *   2026-11-29 00:10:22.107 +00:00 [WRN] barnabas.storage: /data/orders-0: 1 batch was cut off
 *   {"timestamp":"2026-11-29T00:10:22.107Z","level":"warning","category":"barnabas.storage","message":"/data/orders-0: 1 batch …"}
 * ```
 *
 * The JSON object may have more fields, which say in a form for programs what the message says.
 */
import { configure, getTextFormatter, type LogRecord } from "npm:@logtape/logtape@2.4.2";
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import { categoryName, LOG_CATEGORIES, type LogThreshold } from "../../partitions/config/log_lines.ts";

/** Writes one line, which has an end. */
export type WriteLine = (line: string) => void;

/** Begins to write the log. @param write writes before it returns, so that no line is lost at an exit */
export async function startLog(
  { logFormat, logLevels }: Pick<BrokerConfig, "logFormat" | "logLevels">,
  write: WriteLine,
): Promise<void> {
  const format = logFormat === "json" ? jsonLine : textFormat();
  await configure({
    reset: true,
    sinks: { output: (record) => write(format(record)) },
    loggers: [
      ...LOG_CATEGORIES.map((category) => ({
        category: categoryName(category).split("."),
        sinks: ["output" as const],
        parentSinks: "override" as const,
        lowestLevel: lowestLevel(logLevels[category]),
      })),
      { category: ["logtape", "meta"], sinks: ["output"], lowestLevel: "warning" },
    ],
  });
}

/** A record as one line of JSON. Fields come last, and cannot take the place of others. */
export function jsonLine({ timestamp, level, category, message, properties }: LogRecord): string {
  const line: Record<string, unknown> = {
    timestamp: new Date(timestamp).toISOString(),
    level,
    category: category.join("."),
    message: message.map((part) => typeof part === "string" ? part : Deno.inspect(part)).join(""),
  };
  for (const [name, value] of Object.entries(properties)) if (name !== "text" && !(name in line)) line[name] = value;
  return `${JSON.stringify(line)}\n`;
}

/** Strings are written without quotes. */
function textFormat(): (record: LogRecord) => string {
  return getTextFormatter({
    category: ".",
    value: (value) => typeof value === "string" ? value : Deno.inspect(value),
  });
}

function lowestLevel(threshold: LogThreshold): Exclude<LogThreshold, "off"> | null {
  return threshold === "off" ? null : threshold;
}

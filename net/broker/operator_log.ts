/**
 * What the broker tells its operator: one line for each event, through LogTape, whose categories are those of log_lines.ts below
 * `barnabas`. A program that embeds the broker configures LogTape itself and gets the same lines. Main isolate; shards post theirs.
 */
import { getLogger } from "npm:@logtape/logtape@2.4.2";
import { LOG_CATEGORIES, type LogCategory, type LogLevel, type LogLine } from "../../partitions/config/log_lines.ts";
import { brokerLinesMax, LineLimiter } from "../../partitions/control.ts";
import { systemClock } from "../../storage/control.ts";

/** What a line says besides its sentence, for programs that read the log; numbers, names and lists of them. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The lines of one category. Each call takes a sentence. */
export interface Log {
  /** Says what only somebody who looks for something wants to read. */
  readonly debug: (text: string, fields?: LogFields) => void;
  /** Says what was done. */
  readonly inform: (text: string, fields?: LogFields) => void;
  /** Reports trouble that the broker deals with. */
  readonly warn: (text: string, fields?: LogFields) => void;
  /** Reports what could not be done and is left so. */
  readonly complain: (text: string, fields?: LogFields) => void;
}

/** A line as the main isolate writes it. */
interface FullLine extends LogLine {
  readonly fields?: LogFields;
}

const loggers = Object.fromEntries(LOG_CATEGORIES.map((category) => {
  return [category, getLogger(category === "broker" ? ["barnabas"] : ["barnabas", category])];
})) as Record<LogCategory, ReturnType<typeof getLogger>>;

const limiter = new LineLimiter({ clock: systemClock, send, after, linesMax: brokerLinesMax });

/** Writes a line that a shard has posted. */
export function writeLine(line: LogLine): void {
  limiter.write(line);
}

/** The log, by category. */
export const log = Object.fromEntries(LOG_CATEGORIES.map((category) => {
  const at = (level: LogLevel) => (text: string, fields?: LogFields) => {
    limiter.write({ category, level, text, fields } as FullLine);
  };
  return [category, { debug: at("debug"), inform: at("info"), warn: at("warning"), complain: at("error") }];
})) as Readonly<Record<LogCategory, Log>>;

function send({ category, level, text: sentence, leftOut, fields }: FullLine): void {
  const logger = loggers[category];
  const text = leftOut === undefined ? sentence : `… and ${leftOut} more of this kind`;
  const properties = leftOut === undefined ? { ...fields, text } : { text, leftOut };
  switch (level) {
    case "debug":
      return logger.debug("{text}", properties);
    case "info":
      return logger.info("{text}", properties);
    case "warning":
      return logger.warn("{text}", properties);
    case "error":
      return logger.error("{text}", properties);
  }
}

/** A process that has nothing else to do does not wait for the timer. */
function after(ms: number, callback: () => void): void {
  Deno.unrefTimer(setTimeout(callback, ms));
}

/**
 * Limits what reaches the operator's log: of each kind, a category with a level, some lines a second pass, and the others are counted. A
 * full disk or a hostile client therefore neither fills the log nor hides lines about other things. Each shard limits what it posts, and
 * the main isolate what all of them together write.
 */
import { lineText, type LogLevel, type LogLine } from "./config/log_lines.ts";
import type { Clock } from "../storage/base/clock.ts";

const PERIOD_MS = 1000;

/** Lines of a kind that a shard posts in one second. */
export const SHARD_LINES_MAX = 5;
/** Lines of a kind that the broker writes in one second, whoever they come from. */
export const BROKER_LINES_MAX = 100;
/** As many, of what clients bring about: bytes that are no request, connections that do not fit. */
export const PROVOKED_LINES_MAX = 10;

const PROVOKED: ReadonlySet<LogLine["category"]> = new Set(["connections", "requests", "groups"]);

/** What a limiter works with. */
export interface LineLimiterParts {
  readonly clock: Clock;
  /** Passes a line on. */
  readonly send: (line: LogLine) => void;
  /** Calls back once, so that lines that were left out are counted even if no other line follows. */
  readonly after: (ms: number, callback: () => void) => void;
  /** Lines of a kind that pass in one second. */
  readonly linesMax: (line: LogLine) => number;
}

/** Lines of the broker's that pass in one second. Those of level debug are wanted by somebody who looks for something. */
export function brokerLinesMax({ category, level }: LogLine): number {
  return PROVOKED.has(category) && level !== "debug" ? PROVOKED_LINES_MAX : BROKER_LINES_MAX;
}

/** Lines of a shard's that pass in one second. */
export function shardLinesMax({ level }: LogLine): number {
  return level === "debug" ? BROKER_LINES_MAX : SHARD_LINES_MAX;
}

interface Kind {
  readonly category: LogLine["category"];
  readonly level: LogLevel;
  periodStartMs: number;
  sentCount: number;
  leftOutCount: number;
}

/** Passes lines on, within the limits. */
export class LineLimiter {
  readonly #parts: LineLimiterParts;
  /** As many as there are categories and levels. */
  readonly #kinds = new Map<string, Kind>();

  /** @param parts where lines go, and the limits */
  constructor(parts: LineLimiterParts) {
    this.#parts = parts;
  }

  /** Passes a line on, or counts it when the limit of this second is reached. */
  write(line: LogLine): void {
    const kind = this.#kindOf(line);
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - kind.periodStartMs >= PERIOD_MS) this.#begin(kind, nowMs);
    if (line.leftOut !== undefined) return this.#leaveOut(kind, line.leftOut);
    kind.sentCount++;
    if (kind.sentCount > this.#parts.linesMax(line)) return this.#leaveOut(kind, 1);
    this.#parts.send({ ...line, text: lineText(line.text) });
  }

  #begin(kind: Kind, nowMs: number): void {
    this.#tell(kind);
    kind.periodStartMs = nowMs;
    kind.sentCount = 0;
  }

  #leaveOut(kind: Kind, count: number): void {
    if (kind.leftOutCount === 0) this.#parts.after(PERIOD_MS, () => this.#tell(kind));
    kind.leftOutCount += count;
  }

  /** Says how many were left out. */
  #tell(kind: Kind): void {
    const { category, level, leftOutCount } = kind;
    if (leftOutCount === 0) return;
    kind.leftOutCount = 0;
    this.#parts.send({ category, level, text: "", leftOut: leftOutCount });
  }

  #kindOf({ category, level }: LogLine): Kind {
    const key = `${category} ${level}`;
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { category, level, periodStartMs: -Infinity, sentCount: 0, leftOutCount: 0 };
      this.#kinds.set(key, kind);
    }
    return kind;
  }
}

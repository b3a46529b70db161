/**
 * The log of one shard: what its parts report is limited, and posted to the main isolate, which writes it. Runs on shards, which do not
 * load LogTape.
 */
import {
  isShown,
  type LogCategory,
  type LogLevel,
  type LogLevels,
  type LogLine,
} from "../../partitions/config/log_lines.ts";
import { DelayedCall, LineLimiter, type Purgatory, shardLinesMax } from "../../partitions/mod.ts";
import type { Clock } from "../../storage/mod.ts";

/** What the log is built from. */
export interface ShardLogParts {
  readonly clock: Clock;
  /** Calls back later. */
  readonly purgatory: Pick<Purgatory, "schedule">;
  readonly post: (message: { readonly type: "line"; readonly line: LogLine }) => void;
  /** `barnabas.log.levels` */
  readonly levels: LogLevels;
}

/** The lines of one shard. */
export class ShardLog {
  readonly #limiter: LineLimiter;
  readonly #levels: LogLevels;

  /** @param parts of the shard */
  constructor({ clock, purgatory, post, levels }: ShardLogParts) {
    this.#levels = levels;
    this.#limiter = new LineLimiter({
      clock,
      send: (line) => post({ type: "line", line }),
      after: (ms, callback) => purgatory.schedule(new DelayedCall(clock.monotonicMs() + ms, callback)),
      linesMax: shardLinesMax,
    });
  }

  /** What a part of the shard reports to: a sentence, which is a warning unless it says otherwise. */
  of(category: LogCategory): (text: string, level?: LogLevel) => void {
    return (text, level = "warning") => {
      if (isShown(this.#levels[category], level)) this.#limiter.write({ category, level, text });
    };
  }

  /** The same for what only somebody who looks for something wants to read: null while nobody does, so that no text is made for it. */
  debugOf(category: LogCategory): ((text: string) => void) | null {
    if (!isShown(this.#levels[category], "debug")) return null;
    return (text) => this.#limiter.write({ category, level: "debug", text });
  }
}

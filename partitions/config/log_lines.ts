/**
 * The lines of the operator's log: their categories and levels, which of them `barnabas.log.levels` asks for, and their form. Shards post
 * lines to the main isolate, which writes them (net/broker/operator_log.ts). Pure; any isolate.
 *
 * Always: a line is one line of visible characters, whatever a client, a disk or an error had in its text.
 */
import { type ConfigCheck, invalid } from "./config_values.ts";

/** What lines are about. `broker` is the broker as a whole, whose category is `barnabas`; the others are `barnabas.cleaner` and so on. */
export const LOG_CATEGORIES = [
  "broker",
  "cleaner",
  "cluster",
  "connections",
  "etcd",
  "groups",
  "replication",
  "requests",
  "storage",
  "topics",
] as const;

/** A category's last part. */
export type LogCategory = typeof LOG_CATEGORIES[number];

/** Levels from the least to the most severe; "off" is above all lines. */
const LEVELS = ["debug", "info", "warning", "error", "off"] as const;

/** How severe a line is. */
export type LogLevel = Exclude<typeof LEVELS[number], "off">;

/** What a category shows: its lines of this level, and more severe ones. */
export type LogThreshold = typeof LEVELS[number];

/** What each category shows. */
export type LogLevels = Readonly<Record<LogCategory, LogThreshold>>;

/** One event. */
export interface LogLine {
  readonly category: LogCategory;
  readonly level: LogLevel;
  /** A sentence. */
  readonly text: string;
  /** So many lines of this category and level were left out; the text is empty then. */
  readonly leftOut?: number;
}

/** Characters of a line's text. Names, client ids and stacks may be longer; the rest is cut off. */
export const LINE_CHARACTERS_MAX = 4096;

/** Controls, terminal escapes, line ends, marks that turn the direction of text, halves of characters. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** The text of a line: visible characters alone, others as escapes, and no more than LINE_CHARACTERS_MAX. */
export function lineText(text: string): string {
  const isCut = text.length > LINE_CHARACTERS_MAX;
  const shown = (isCut ? text.slice(0, LINE_CHARACTERS_MAX) : text).replaceAll(INVISIBLE, escaped);
  if (shown.length <= LINE_CHARACTERS_MAX) return isCut ? `${shown} …` : shown;
  return `${shown.slice(0, LINE_CHARACTERS_MAX)} …`;
}

function escaped(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  const code = character.codePointAt(0) as number;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
}

/** The full name of a category, as a setting and a line have it. */
export function categoryName(category: LogCategory): string {
  return category === "broker" ? "barnabas" : `barnabas.${category}`;
}

/** Whether a line of this level is shown. */
export function isShown(threshold: LogThreshold, level: LogLevel): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(threshold);
}

/** Accepts the value of `barnabas.log.levels`. */
export const logLevelsCheck: ConfigCheck = ({ name, text }) => {
  for (const entry of entriesOf(text)) {
    const [category = "", level = ""] = entry;
    if (categoryOf(category) === undefined) {
      return invalid(name, entry.join("="), `Categories are ${LOG_CATEGORIES.map(categoryName).join(", ")}`);
    }
    if (levelOf(level) === undefined) return invalid(name, entry.join("="), `Levels are ${LEVELS.join(", ")}`);
  }
  return null;
};

/**
 * What each category shows. `barnabas` stands for all that are not named.
 * @param text that passes the check: "barnabas=info,barnabas.cluster=debug"; of two entries for one category the last one counts
 */
export function logLevels(text: string): LogLevels {
  const named = new Map<LogCategory, LogThreshold>();
  for (const [category = "", level = ""] of entriesOf(text)) {
    named.set(categoryOf(category) as LogCategory, levelOf(level) as LogThreshold);
  }
  const others = named.get("broker") ?? "info";
  return Object.fromEntries(LOG_CATEGORIES.map((one) => [one, named.get(one) ?? others])) as Record<
    LogCategory,
    LogThreshold
  >;
}

function entriesOf(text: string): string[][] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "")
    .map((part) => part.split("=").map((side) => side.trim()));
}

function categoryOf(name: string): LogCategory | undefined {
  return LOG_CATEGORIES.find((category) => categoryName(category) === name);
}

function levelOf(name: string): LogThreshold | undefined {
  return LEVELS.find((level) => level === name);
}

/**
 * The text format of Kafka's checkpoints: a version, a count, a line for each entry. Pure; any isolate.
 * Source: Kafka's CheckpointFile.
 */

const VERSION = "0";
const DIGITS = /^\d{1,16}$/;

/**
 * Splits a checkpoint into its entry lines.
 * @param text the whole file; an empty one is an empty checkpoint, because Kafka creates its files empty
 * @returns its entry lines, or a sentence about the damage
 */
export function parseCheckpoint(text: string): readonly string[] | string {
  if (text === "") return [];
  // Every line ends with a newline; without the last one, the last number may have been cut short.
  if (!text.endsWith("\n")) return "its last line is cut off";
  const [version, count, ...lines] = text.slice(0, -1).split("\n").map((line) => line.replace(/\r$/, ""));
  if (version !== VERSION) return `its version is ${version!.slice(0, 20)}, not ${VERSION}`;
  if (count === undefined) return "its count is missing";
  if (wholeNumber(count) !== lines.length) return `it has ${lines.length} entries, but says ${count.slice(0, 20)}`;
  return lines;
}

/** The text of a checkpoint. @param lines its entries, without line ends */
export function encodeCheckpoint(lines: readonly string[]): string {
  return `${VERSION}\n${lines.length}\n${lines.map((line) => `${line}\n`).join("")}`;
}

/** Reads a decimal number without sign. @returns -1 when the text is no such number, or it is above 2^53 */
export function wholeNumber(text: string): number {
  const value = DIGITS.test(text) ? Number(text) : -1;
  return Number.isSafeInteger(value) ? value : -1;
}

/** Reads the values of rows, which are JSON objects. Pure; any isolate. */
import type { StoredEntry } from "./store.ts";

/** Parses a row's value. @returns null for a value of another shape */
export function parseRow<Row>(
  { value }: Pick<StoredEntry, "value">,
  isRow: (value: unknown) => value is Row,
): Row | null {
  let row: unknown;
  try {
    row = JSON.parse(value);
  } catch {
    return null; // It is not JSON, hence no row of this shape.
  }
  return isRow(row) ? row : null;
}

/** Whether a value is an object with names, not a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

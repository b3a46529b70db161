/** The first names of a list, for a sentence that stays short whatever the list's length. Pure; any isolate. */

/** Most names that a sentence has. */
const NAMED_MAX = 5;

/** The first names, and how many more there are: "a, b and 3 more". */
export function firstNames(names: readonly string[]): string {
  const first = names.slice(0, NAMED_MAX).join(", ");
  return names.length > NAMED_MAX ? `${first} and ${names.length - NAMED_MAX} more` : first;
}

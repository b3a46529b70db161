/** The first names of a list, for a sentence that stays short whatever the list's length. Pure; any isolate. */

/** Most names that a sentence has, unless it says otherwise. */
export const NAMED_MAX = 5;

/**
 * The first names, and how many more there are: "a, b and 3 more".
 * @param options.namedMax most names @param options.count how many there are, of which `names` may have the first ones alone
 */
export function firstNames(
  names: readonly string[],
  { namedMax = NAMED_MAX, count = names.length }: { readonly namedMax?: number; readonly count?: number } = {},
): string {
  const first = names.slice(0, namedMax).join(", ");
  return count > namedMax ? `${first} and ${count - namedMax} more` : first;
}

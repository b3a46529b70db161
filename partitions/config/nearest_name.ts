/**
 * Finds the name that a mistyped one was meant to be. Pure; any isolate.
 */

/** Names longer than this are not compared: the cost grows with the square. */
const LENGTH_MAX = 100;

/**
 * The candidate with the fewest edits (insert, delete, replace, swap of neighbours), if it is near enough.
 * @param name the mistyped name
 * @param candidates the existing names
 * @returns null when nothing is within a third of the name's length
 */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  if (name.length > LENGTH_MAX) return null;
  let nearest: string | null = null;
  let fewest = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest) [nearest, fewest] = [candidate, edits];
  }
  return nearest;
}

/** The optimal string alignment distance of two names. */
function editDistance(a: string, b: string): number {
  let [beforePrevious, previous]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const edits = Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      row.push(swapped ? Math.min(edits, (beforePrevious[j - 2] ?? 0) + 1) : edits);
    }
    [beforePrevious, previous] = [previous, row];
  }
  return previous[b.length] ?? 0;
}

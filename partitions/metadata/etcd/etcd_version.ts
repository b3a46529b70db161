/**
 * Which versions of etcd the store refuses. Pure; the main isolate runs it.
 *
 * Before 3.4 the JSON gateway has other paths. In 3.5.0 to 3.5.2 a killed member may come back with other contents than the others
 * (etcd-io/etcd issue 13766, corrected in 3.5.3).
 */

const OLDEST = [3, 4, 0] as const;
const BROKEN_FIRST = [3, 5, 0] as const;
const BROKEN_LAST = [3, 5, 2] as const;

/** Why a member's version is refused, or null. @param version as the member says it: "3.4.23", "3.6.0-rc.1" */
export function refusedVersion(version: string): string | null {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (match === null) return `it says that its version is "${version.slice(0, 40)}"; is it an etcd?`;
  const numbers = match.slice(1).map(Number);
  if (compare(numbers, OLDEST) < 0) return `it is etcd ${version}; Barnabas needs 3.4 or later`;
  if (compare(numbers, BROKEN_FIRST) >= 0 && compare(numbers, BROKEN_LAST) <= 0) {
    return `it is etcd ${version}, whose members lose their agreement after a crash; upgrade it to 3.5.3 or later`;
  }
  return null;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, number] of a.entries()) {
    const difference = number - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

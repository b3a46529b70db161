/** Topics and groups of the broker that is attacked. Pure; any isolate. Test code. */

/** Partitions of the topic "big". */
export const BIG_PARTITIONS = 2000;
/** Topics "e0000000", "e0000001" and so on, and as many groups of these names. */
export const NUMBERED_COUNT = 200;
/** Partitions of the topic "t", which honest clients use too. */
export const T_PARTITIONS = 4;

/** Topics that exist from the start. */
export const VICTIM_TOPICS = [
  { name: "t", partitions: T_PARTITIONS },
  { name: "big", partitions: BIG_PARTITIONS },
  ...Array.from({ length: NUMBERED_COUNT }, (_, index) => ({ name: numbered("e", index), partitions: 1 })),
];

/** A name of eight characters: a letter and a number. */
export function numbered(letter: string, index: number): string {
  return letter + String(index).padStart(7, "0");
}

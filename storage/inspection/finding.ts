/** What a look at a data directory reports (main.ts verify). Pure types. */

/** Something about a file that a user should know. */
export interface Finding {
  /** Damage: a broker trusts the file, and what it says is wrong. A note: a start mends or removes it by itself. */
  readonly kind: "damage" | "note";
  readonly path: string;
  /** What is wrong, and what becomes of it. */
  readonly text: string;
}

/** Bytes of `.log` files that were read since the last report. */
export interface ReadProgress {
  readonly kind: "read";
  readonly bytes: number;
}

/** One report of a verification. */
export type Report = Finding | ReadProgress;

/** Damage of a file. */
export function damage(path: string, text: string): Finding {
  return { kind: "damage", path, text };
}

/** Something that a start sees to. */
export function note(path: string, text: string): Finding {
  return { kind: "note", path, text };
}

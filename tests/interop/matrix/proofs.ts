/** What a test says that its pass proves: compared with the committed matrix, or written down for a new one. Main isolate of a test. */
import assert from "node:assert/strict";
import { type Proofs, provenByRun, sorted } from "./matrix.ts";

/** File to which tests add what they prove, a line each; absent: the committed matrix must have it. */
const RESULTS = Deno.env.get("BARNABAS_INTEROP_RESULTS");

/** One line of it. */
export interface ProvenLine {
  /** Path in the repository. */
  readonly file: string;
  readonly test: string;
  readonly proofs: Proofs;
}

/**
 * Notes that a test has passed.
 * @throws AssertionError if the matrix says that it proves something else
 */
export function noteProofs(context: Deno.TestContext, proofs: Proofs): void {
  const file = context.origin.replace(/^.*\/(?=tests\/)/, "");
  const line: ProvenLine = { file, test: context.name, proofs: sorted(proofs) };
  if (RESULTS !== undefined) {
    Deno.writeTextFileSync(RESULTS, `${JSON.stringify(line)}\n`, { append: true });
    return;
  }
  const committed = provenByRun()[file]?.[context.name] ?? {};
  assert.deepEqual(line.proofs, committed, "README.md's matrix says something else: deno task generate:matrix");
}

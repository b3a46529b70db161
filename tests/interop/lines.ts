/** Compares long texts: if one line in a million differs, the message shows that line. Pure. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

/**
 * Compares printed lines with the expected ones.
 * @throws AssertionError that shows the first line that differs, or the two counts
 */
export function assertSameLines(printed: string, expected: readonly string[]): void {
  const lines = printed.replace(/\n$/, "").split("\n");
  const shared = Math.min(lines.length, expected.length);
  for (let i = 0; i < shared; i++) {
    if (lines[i] !== expected[i]) {
      assert.equal(lines[i], expected[i], `line ${i + 1} differs:\n${lines[i]}\n${expected[i]}`);
    }
  }
  assert.equal(lines.length, expected.length, "number of lines");
}

/**
 * Compares bytes.
 * @throws AssertionError with the first position that differs, or the two lengths
 */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  const shared = Math.min(actual.length, expected.length);
  const views = [actual, expected].map((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (views[0]!.equals(views[1]!)) return;
  let at = 0;
  while (at < shared && actual[at] === expected[at]) at++;
  const around = views.map((bytes) => bytes.subarray(Math.max(0, at - 40), at + 40).toString());
  assert.fail(`bytes differ at ${at} of ${actual.length} and ${expected.length}:\n${around.join("\n--\n")}`);
}

/** Splits text into lines without their ends; a last line without an end counts, too. */
export class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(chunk, controller) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        for (const line of lines) controller.enqueue(line);
      },
      flush(controller) {
        if (rest !== "") controller.enqueue(rest);
      },
    });
  }
}

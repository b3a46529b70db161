import assert from "node:assert/strict";
import { randomBytes, seedOfThisRun } from "../../../net/protocol/sample_values.ts";
import { ANSWER_BYTES_MAX, AnswerFrames } from "./answer_frames.ts";

function framed(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setInt32(0, body.length);
  frame.set(body, 4);
  return frame;
}

Deno.test("AnswerFrames cuts the same answers from a stream, whatever the pieces in which it arrives", () => {
  const seed = seedOfThisRun();
  let state = seed;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let round = 0; round < 50; round++) {
    const bodies = Array.from({ length: 20 }, () => {
      const isLarge = random() < 0.1;
      return randomBytes(Math.floor(random() * (isLarge ? ANSWER_BYTES_MAX + 1 : 200)), random);
    });
    const stream = new Uint8Array(bodies.flatMap((body) => [...framed(body)]));
    const answers = new AnswerFrames();
    const found: Uint8Array[] = [];
    for (let at = 0; at < stream.length;) {
      const length = 1 + Math.floor(random() * (random() < 0.5 ? 10 : 8000));
      answers.add(stream.subarray(at, at + length));
      at += length;
      for (let answer = answers.next(); answer !== null; answer = answers.next()) {
        assert.ok(typeof answer !== "number");
        found.push(answer.slice());
      }
    }
    assert.deepEqual(found, bodies, `seed ${seed}, round ${round}`);
  }
});

Deno.test("AnswerFrames reports a size that no answer has, before its bytes arrive", () => {
  for (const size of [-1, -(2 ** 31), ANSWER_BYTES_MAX + 1, 2 ** 31 - 1]) {
    const answers = new AnswerFrames();
    answers.add(framed(new Uint8Array(3)));
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, size);
    answers.add(bytes);
    assert.deepEqual(answers.next(), new Uint8Array(3));
    assert.equal(answers.next(), size);
    assert.equal(answers.next(), size, "it stays");
  }
});

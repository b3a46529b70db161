import assert from "node:assert/strict";
import { AwaitedAnswers } from "./awaited_answers.ts";

Deno.test("AwaitedAnswers calls each callback once, with the answer to its own request, in any order", () => {
  const answers = new AwaitedAnswers<string>();
  const received: string[] = [];
  const ids = ["a", "b"].map((name) => answers.add((answer) => void received.push(name + answer)));
  for (const id of [ids[1]!, ids[0]!, ids[1]!]) answers.receive(id, `${id === ids[0] ? 0 : 1}`);
  assert.deepEqual(received, ["b1", "a0"]);
});

import assert from "node:assert/strict";
import { toOffset } from "../../storage/base/units.ts";
import { epochEnd } from "../questions/epoch_end.ts";
import { int32, listOf } from "../questions/layout.ts";
import { question } from "../questions/question.ts";
import { AnswerColumns } from "./answer_columns.ts";

Deno.test("AnswerColumns keep the answers and refusals of partitions, in whatever order they come", () => {
  const columns = new AnswerColumns(epochEnd, 3);
  columns.refuse(2, 6);
  assert.equal(columns.hasAnswers, false);
  columns.set(1, { leaderEpoch: 7, endOffset: toOffset(2 ** 40) });
  columns.set(0, { leaderEpoch: -1, endOffset: toOffset(1) });
  assert.equal(columns.hasAnswers, true);
  assert.deepEqual([0, 1, 2].map((index) => columns.codeAt(index)), [0, 0, 6]);
  assert.deepEqual([0, 1, 2].map((index) => columns.answerAt(index)), [
    { leaderEpoch: -1, endOffset: 1 },
    { leaderEpoch: 7, endOffset: 2 ** 40 },
    epochEnd.nothing,
  ]);
});

Deno.test("AnswerColumns keep answers with a list", () => {
  const serve = () => ({ refusal: null, count: 0, items: [] });
  const lists = question({ name: "lists", ask: {}, answer: { count: int32, items: listOf({ value: int32 }) }, serve });
  const columns = new AnswerColumns(lists, 2);
  columns.set(1, { count: 1, items: [{ value: 5 }] });
  columns.refuse(0, 3);
  assert.deepEqual(columns.answerAt(1), { count: 1, items: [{ value: 5 }] });
  assert.deepEqual(columns.answerAt(0), lists.nothing);
});

Deno.test("AnswerColumns keep the answers of very many partitions", () => {
  const count = 10_000;
  const columns = new AnswerColumns(epochEnd, count);
  for (let index = count - 1; index >= 0; index--) {
    if (index % 3 === 0) columns.refuse(index, index + 1);
    else columns.set(index, { leaderEpoch: index, endOffset: toOffset(index * 2 ** 20) });
  }
  for (let index = 0; index < count; index++) {
    const isRefused = index % 3 === 0;
    assert.equal(columns.codeAt(index), isRefused ? index + 1 : 0);
    assert.equal(columns.answerAt(index).endOffset, isRefused ? -1 : index * 2 ** 20);
  }
});

import assert from "node:assert/strict";
import { TOPIC_REGEX_LENGTH_MAX, TopicRegexJob, topicRegexProblem } from "./topic_regex.ts";

function match(expression: string, names: readonly string[]): string[] {
  const job = new TopicRegexJob([expression], names, null);
  assert(job.run(Infinity, () => 0));
  return [...job.found.get(expression)!];
}

Deno.test("topicRegexProblem() describes the problem in RE2's words, as Kafka does", () => {
  for (const fine of ["", ".*", "a|b", "(?i)A{1,3}", "\\p{L}+", "[^x]*"]) assert.equal(topicRegexProblem(fine), null);
  assert.equal(topicRegexProblem("("), "missing closing )");
  assert.equal(topicRegexProblem("*"), "missing argument to repetition operator");
  assert.equal(topicRegexProblem("(?=x)x"), "invalid or unsupported Perl syntax");
  assert.equal(topicRegexProblem("(a)\\1"), "invalid escape sequence");
  assert.notEqual(topicRegexProblem("a{1001}"), null);
});

Deno.test("topicRegexProblem() quickly refuses expressions that are too large", () => {
  const huge = [
    "x".repeat(TOPIC_REGEX_LENGTH_MAX + 1),
    "((((a{99}){99}){99}){99}){99}",
    "(".repeat(9999) + ")".repeat(9999),
  ];
  const startMs = performance.now();
  for (const expression of huge) assert.notEqual(topicRegexProblem(expression), null);
  assert(performance.now() - startMs < 10_000);
});

Deno.test("TopicRegexJob matches whole names", () => {
  const names = ["orders", "orders-eu", "old-orders", "x"];
  assert.deepEqual(match("orders", names), ["orders"]);
  assert.deepEqual(match("orders.*", names), ["orders", "orders-eu"]);
  assert.deepEqual(match(".*orders|x", names), ["orders", "old-orders", "x"]);
  assert.deepEqual(match("", names), []);
  assert.deepEqual(match("(", names), [], "an expression that does not compile matches nothing");
});

Deno.test("TopicRegexJob matches 10,000 names against expressions that take exponential time in backtracking engines", () => {
  const names = Array.from({ length: 10_000 }, (_, index) => `${"a".repeat(30)}-${index}`);
  const startMs = performance.now();
  assert.equal(match(".*-\\d+", names).length, 10_000);
  for (const catastrophe of ["(a*)*b", "(a|a)*b", "(a+)+\\d", "(.*)(.*)(.*)(.*)(.*)(.*)(.*)x"]) {
    match(catastrophe, names);
  }
  assert(performance.now() - startMs < 5000, "it takes about 100 ms; a backtracking engine would never end");
});

Deno.test("TopicRegexJob stops when its time has passed, and continues there", () => {
  const names = Array.from({ length: 10 }, (_, index) => `t${index}`);
  let nowMs = 0;
  const clock = () => nowMs++;
  const job = new TopicRegexJob(["t[0-4]", "t9"], names, null);
  let slices = 1;
  while (!job.run(nowMs + 3, clock)) slices++;
  assert(slices >= 3, `${slices}`);
  assert.deepEqual(job.found.get("t[0-4]"), ["t0", "t1", "t2", "t3", "t4"]);
  assert.deepEqual(job.found.get("t9"), ["t9"]);
});

Deno.test("TopicRegexJob checks the time between two expressions, too", () => {
  const expressions = Array.from({ length: 20 }, (_, index) => `t.{${index}}`);
  let nowMs = 0;
  const job = new TopicRegexJob(expressions, ["t"], null);
  assert(!job.run(5, () => nowMs++));
  assert(nowMs <= 7, `${nowMs} reads of the clock`);
});

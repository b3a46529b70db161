import assert from "node:assert/strict";
import { isPattern, PATTERN_LENGTH_MAX } from "./id_patterns.ts";

Deno.test("isPattern() takes regular expressions of RE2, up to a length", () => {
  const bad = ["a(", "[", "*a", "a**", "a{2,1}", "a\\", "(?<n>a", "a)", "a++", "(?>a)", "(?=a)"];
  for (const pattern of [...bad, "a".repeat(PATTERN_LENGTH_MAX + 1)]) assert.equal(isPattern(pattern), false, pattern);
  const good = ["order.*", "(?i)order", "\\Qa(\\E", "\\p{L}+", "a".repeat(PATTERN_LENGTH_MAX)];
  for (const pattern of good) assert.equal(isPattern(pattern), true, pattern);
});

Deno.test("isPattern() takes bounded time for a long hostile pattern", () => {
  const start = performance.now();
  for (const part of ["(?i:", "\\Q", "(a|b)*", "[a-", "(?:", "a{1000}"]) {
    isPattern(part.repeat(PATTERN_LENGTH_MAX).slice(0, PATTERN_LENGTH_MAX));
  }
  assert.ok(performance.now() - start < 10_000, "quadratic time would be minutes");
});

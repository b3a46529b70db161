import { strict as assert } from "node:assert";
import { isShown, LINE_CHARACTERS_MAX, lineText, logLevels, logLevelsCheck } from "./log_lines.ts";

const refusalOf = (text: string) => logLevelsCheck({ name: "barnabas.log.levels", value: text, text });

Deno.test("lineText() escapes line ends, terminal escapes, controls and what turns the direction of text", () => {
  assert.equal(lineText("a\r\nb\tc"), "a\\r\\nb\\tc");
  assert.equal(lineText("\x1b]0;title\x07 \x9b31m \x7f"), "\\u001b]0;title\\u0007 \\u009b31m \\u007f");
  assert.equal(lineText("\u202eabc\u2028\u2029\ufeff\u200b"), "\\u202eabc\\u2028\\u2029\\ufeff\\u200b");
  assert.equal(lineText("\ud800x \u{e0001}"), "\\ud800x \\u{e0001}");
  assert.equal(lineText("naïve 漢字 🙂 \\n"), "naïve 漢字 🙂 \\n");
});

Deno.test("lineText() cuts a text that is too long, also one that only its escapes make so", () => {
  for (const character of ["x", "\n", "🙂"]) {
    const shown = lineText(character.repeat(100_000));
    assert(shown.length <= LINE_CHARACTERS_MAX + 2 && shown.endsWith(" …"), character);
    assert.equal(lineText(character.repeat(100)).endsWith(" …"), false);
  }
});

Deno.test("logLevels() gives categories that are not named the level of barnabas", () => {
  const { broker, cluster, storage } = logLevels("barnabas=warning, barnabas.cluster = debug");
  assert.deepEqual([broker, cluster, storage], ["warning", "debug", "warning"]);
  assert.deepEqual([logLevels("").topics, logLevels("barnabas.topics=off").broker], ["info", "info"]);
});

Deno.test("isShown() compares levels", () => {
  assert.deepEqual([isShown("info", "debug"), isShown("info", "info"), isShown("warning", "error")], [
    false,
    true,
    true,
  ]);
  assert.equal(isShown("off", "error"), false);
});

Deno.test("logLevelsCheck() refuses unknown categories and levels, and says which there are", () => {
  for (const text of ["", "barnabas=info", "barnabas.etcd=off,barnabas.storage=error"]) {
    assert.equal(refusalOf(text), null, text);
  }
  assert.match(
    refusalOf("kafka.server=info") ?? "",
    /^Invalid value kafka\.server=info .*Categories are .*barnabas, .*barnabas\.storage/,
  );
  assert.match(refusalOf("barnabas.broker=info") ?? "", /Categories are/);
  assert.match(refusalOf("barnabas=trace") ?? "", /Levels are debug, info, warning, error, off$/);
  assert.match(refusalOf("barnabas") ?? "", /Levels are/);
});

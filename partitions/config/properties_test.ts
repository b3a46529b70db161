import assert from "node:assert/strict";
import { parseProperties } from "./properties.ts";

/** Texts, and what java.util.Properties.load of OpenJDK 17 reads from them (null: it throws). */
const javaAnswers: [string, Record<string, string> | null][] = [
  ["a=b", { "a": "b" }],
  ["a = b", { "a": "b" }],
  ["a:b", { "a": "b" }],
  ["a b", { "a": "b" }],
  ["a\tb", { "a": "b" }],
  ["a\f:\f b", { "a": "b" }],
  ["  a=b  ", { "a": "b  " }],
  ["a", { "a": "" }],
  ["a=", { "a": "" }],
  ["=b", { "": "b" }],
  [":b", { "": "b" }],
  [" = b", { "": "b" }],
  ["a==b", { "a": "=b" }],
  ["a=:b", { "a": ":b" }],
  ["a:=b", { "a": "=b" }],
  ["a  =  =b", { "a": "=b" }],
  ["", {}],
  ["#a=b", {}],
  ["   ! a=b", {}],
  ["a=b#c", { "a": "b#c" }],
  ["a=b\\\n   c", { "a": "bc" }],
  ["a=b\\\r\n\tc", { "a": "bc" }],
  ["a=b\\\rc", { "a": "bc" }],
  ["a=b\\\\\nc=d", { "a": "b\\", "c": "d" }],
  ["a=b\\\\\\\nc=d", { "a": "b\\c=d" }],
  ["#c\\\na=b", { "a": "b" }],
  ["a=b\\\n#c", { "a": "b#c" }],
  ["a=b\\\n\nc=d", { "a": "b", "c": "d" }],
  ["a=b\\", { "a": "b" }],
  ["a\\\n=b", { "a": "b" }],
  ["a\\\n  b=c", { "ab": "c" }],
  ["a\\=b=c", { "a=b": "c" }],
  ["a\\:b c", { "a:b": "c" }],
  ["a\\ b=c", { "a b": "c" }],
  ['a=\\t\\n\\r\\f\\x\\"', { "a": '\t\n\r\fx"' }],
  ["a=\\u0041\\u00e9", { "a": "A\u00e9" }],
  ["\\u0061=b", { "a": "b" }],
  ["a=\\\\u0041", { "a": "\\u0041" }],
  ["a=b\r\rc=d", { "a": "b", "c": "d" }],
  ["a=1\na=2", { "a": "2" }],
  ["a=b \\\n  c", { "a": "b c" }],
  ["a\\\\=b", { "a\\": "b" }],
  ["a\\\\ b", { "a\\": "b" }],
  ["log.dirs=C:\\temp", { "log.dirs": "C:\temp" }],
  ["a=b\\\n", { "a": "b" }],
  ["\\\na=b", { "a": "b" }],
  ["   \\\n  a=b", { "a": "b" }],
  ["a=b\n\\\nc=d", { "a": "b", "c": "d" }],
  ["a\\u003db=c", { "a=b": "c" }],
  ["a=b\\\n\\\nc", { "a": "bc" }],
  ["a=x\\u00e9y", { "a": "x\u00e9y" }],
  ["a=\\u12", null],
  ["a=\\uzzzz", null],
  ["\\u=1", null],
];

Deno.test("parseProperties() reads what java.util.Properties reads", () => {
  for (const [text, expected] of javaAnswers) {
    const parsed = parseProperties(text);
    const found = "refused" in parsed ? null : Object.fromEntries(parsed.properties);
    assert.deepEqual(found, expected, JSON.stringify(text));
  }
});

Deno.test("parseProperties() names the line of a malformed escape", () => {
  assert.deepEqual(parseProperties("a=1\n# comment\nb=\\\n 2\nc=\\u00g0"), {
    refused: "line 5: \\u is not followed by four hex digits",
  });
});

Deno.test("parseProperties() skips a byte order mark", () => {
  assert.deepEqual(parseProperties("\uFEFFa=1"), { properties: new Map([["a", "1"]]) });
});

Deno.test("parseProperties() takes time proportional to the length of the text", () => {
  const started = performance.now();
  parseProperties(`a=${"\\".repeat(2_000_001)}b`);
  parseProperties("a\\\n".repeat(200_000));
  parseProperties(" ".repeat(2_000_000) + "a=b");
  assert(performance.now() - started < 5000);
});

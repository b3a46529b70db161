import assert from "node:assert/strict";
import { compile, lateModules, missingFrom, workerModules } from "../bench/compile.ts";
import { embeddedFiles } from "../bench/embedded_files.ts";
import { runtimeClosure } from "./tidy/layering.ts";
import { isProduct, sources } from "./tidy/repository.ts";
import { importsOf } from "./tidy/source_text.ts";

const isSlow = Deno.env.get("BARNABAS_SLOW") !== undefined;

Deno.test("workerModules are the modules that the product starts as workers", () => {
  const started = sources.filter(isProduct).filter(({ code }) => /\bnew Worker\(/.test(code)).flatMap((file) =>
    importsOf(file).filter(({ line, target }) =>
      target.endsWith("_worker.ts") && /new URL\(/.test(file.text.split("\n")[line - 1] ?? "")
    )
  );
  assert.deepEqual(started.map(({ target }) => target).sort(), [...workerModules].sort());
  const calls = sources.filter(isProduct).reduce(
    (sum, { code }) => sum + (code.match(/\bnew Worker\(/g)?.length ?? 0),
    0,
  );
  assert.equal(calls, workerModules.length, "every new Worker names a module by new URL()");
});

Deno.test("lateModules are the modules that the product imports when it needs them", () => {
  const late = sources.filter(isProduct).flatMap((file) => importsOf(file).filter(({ isLate }) => isLate));
  assert.deepEqual([...new Set(late.map(({ target }) => target))].sort(), [...lateModules].sort());
});

Deno.test("embeddedFiles() finds the listing among other bytes", () => {
  const listing = JSON.stringify([
    { Dir: { n: "net", e: [{ File: { n: 'a]".ts', o: [0, 1] } }, { Dir: { n: "x", e: [] } }] } },
    { File: { n: "main.ts" } },
    { Symlink: { n: "link" } },
  ]);
  const decoys = ['[{"Dir":{"n":', '[{"File":{"n":"lone.ts"}}]', '[{"Dir":{"n":1}}]\0', '[{"Dir":{"n":"cut"'];
  const bytes = new TextEncoder().encode(`\x7fELF ${decoys[0]}\0${decoys[1]} ${listing} ${decoys[2]}${decoys[3]}`);
  assert.deepEqual(embeddedFiles(bytes), ['net/a]".ts', "main.ts"]);
  assert.deepEqual(embeddedFiles(new Uint8Array(1000)), []);
});

Deno.test("missingFrom() names each worker, late module and addon that a binary lacks", () => {
  const whole = [
    ...["main.ts", "mod.ts", ...workerModules, ...lateModules],
    ...["m/crc32.linux-x64-gnu.node", "m/snappy.linux-x64-gnu.node", "m/lz4-napi.linux-x64-gnu.node"],
  ];
  assert.deepEqual(missingFrom(whole), []);
  for (const file of whole) assert.equal(missingFrom(whole.filter((other) => other !== file)).length, 1, file);
});

Deno.test({
  name: "compile() makes a binary with every module, worker and addon",
  ignore: !isSlow,
  fn: async () => {
    const directory = await Deno.makeTempDir({ prefix: "barnabas-compile-" });
    try {
      // Deno takes the place of the runtime, which cannot be downloaded everywhere. The result is not run.
      if (!Deno.env.has("DENORT_BIN")) Deno.env.set("DENORT_BIN", await Deno.realPath(Deno.execPath()));
      const { bytes, files } = await compile({ output: `${directory}/barnabas` });
      assert(bytes > 1_000_000);
      const magic = (await Deno.readFile(`${directory}/barnabas`)).subarray(0, 4);
      assert.deepEqual([...magic], [0x7f, 0x45, 0x4c, 0x46]);
      const handlers = sources.filter((file) => isProduct(file) && /^net\/handlers\/\d/.test(file.path));
      for (const { path } of handlers) assert(files.includes(path), path);
      const byPath = new Map(sources.map((file) => [file.path, file]));
      const imported = [...runtimeClosure("main.ts", byPath)].filter((path) => byPath.has(path));
      assert.deepEqual(imported.filter((path) => !files.includes(path)), [], "whatever is imported, at once or late");
      for (const library of ["re2js", "snappy", "lz4-napi", "crc32"]) {
        assert(files.some((path) => path.includes(library)), library);
      }
      assert.deepEqual(files.filter((path) => path.endsWith("_test.ts")), []);
      assert(!files.some((path) => /darwin|win32|android/.test(path)), "addons of other platforms stay out");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

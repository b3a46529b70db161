import { strict as assert } from "node:assert";
import { join, relative } from "node:path";
import { withDirectory } from "../../tests/temporary_directory.ts";
import { checkApart, checkStoreFound } from "./log_dirs_rules.ts";

/** Creates empty files with their directories. */
function create(root: string, ...files: string[]): void {
  for (const file of files) {
    Deno.mkdirSync(join(root, file, ".."), { recursive: true });
    Deno.writeTextFileSync(join(root, file), "");
  }
}

Deno.test("checkApart() refuses a directory that is named twice, or lies in another one, also before they exist", () =>
  withDirectory(async (root) => {
    const [a, b, link] = [join(root, "a"), join(root, "b"), join(root, "link")];
    await checkApart([a, b, `${a}b`]);
    Deno.mkdirSync(a);
    Deno.symlinkSync(a, link);
    await checkApart([a, b, `${a}b`]);
    const inside = /Log directory .*disk-2 lies in log directory .*: its files could be taken for those of a topic/;
    for (const twice of [link, `${b}/../a/`, relative(Deno.cwd(), a)]) {
      await assert.rejects(
        checkApart([a, twice]),
        /log\.dirs names .*\/a twice, as .*\/a and as .*; take one out/,
        twice,
      );
    }
    for (const inner of [join(a, "disk-2"), join(link, "x/disk-2")]) {
      await assert.rejects(checkApart([a, b, inner]), inside);
      await assert.rejects(checkApart([inner, a]), inside);
    }
    await assert.rejects(checkApart(["/", a]), /lies in log directory \//);
    assert.deepEqual([...Deno.readDirSync(a)], [], "nothing is created");
  }));

Deno.test("checkStoreFound() refuses to begin a new store beside directories that were used with another one", () =>
  withDirectory(async (root) => {
    const paths = [join(root, "a"), join(root, "b")];
    const check = (directory: string) => checkStoreFound(paths, join(root, directory, "barnabas-metadata.sqlite"));
    await check("a");
    create(root, "b/t-0/x", "b/meta.properties");
    await check("a"); // As Apache Kafka, or a version before retention, left it.
    create(root, "b/barnabas-retention");
    await assert.rejects(
      check("a"),
      /Log directory .*\/b has partitions of this broker, but .* not in .*\/a .*; mount/,
    );
    await assert.rejects(check("elsewhere"), /not in .*\/elsewhere \(metadata\.log\.dir/);
    await check("b");
    create(root, "b/barnabas-metadata.sqlite");
    await check("b");
    await assert.rejects(
      check("a"),
      /topics and settings of this broker lie in .*\/b, .* set metadata\.log\.dir=.*\/b$/,
    );
    create(root, "a/barnabas-metadata.sqlite");
    await check("a");
  }));

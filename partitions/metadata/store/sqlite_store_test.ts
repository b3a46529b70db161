import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { withDirectory } from "../../../tests/temporary_directory.ts";
import { describeFailure, SCHEMA_VERSION } from "./sqlite_database.ts";
import { SqliteStore } from "./sqlite_store.ts";
import { MetadataStoreError } from "./store.ts";

/** Runs a test with a file name in a new directory. */
function withFile(test: (path: string) => Promise<void>): Promise<void> {
  return withDirectory((directory) => test(join(directory, "barnabas-metadata.sqlite")));
}

/** Opens a store, uses it and closes it. */
async function withStore<T>(path: string, use: (store: SqliteStore) => Promise<T>): Promise<T> {
  const store = new SqliteStore();
  try {
    await store.open(path);
    return await use(store);
  } finally {
    await store.close();
  }
}

/** The sentence with which a file is refused. */
async function refusal(path: string): Promise<string> {
  const store = new SqliteStore();
  let sentence = "";
  await assert.rejects(store.open(path), (error) => {
    assert.ok(error instanceof MetadataStoreError);
    sentence = error.message;
    return true;
  });
  await store.close();
  return sentence;
}

Deno.test("open() deletes the keys of leases whose process was killed", () =>
  withFile(async (path) => {
    await withStore(path, (store) => store.transact({ set: [{ key: "kept", value: "y" }] }));
    const database = new DatabaseSync(path);
    database.exec("INSERT INTO entries VALUES ('b/3', 'x', 1, 5)");
    database.close();
    await withStore(path, async (store) => {
      assert.deepEqual((await store.range("")).map(({ key }) => key), ["kept"]);
    });
  }));

Deno.test("open() refuses a newer schema, another SQLite file, a file of another kind and a damaged one, and says why", () =>
  withFile(async (path) => {
    await withStore(path, (store) => store.transact({ set: [{ key: "a", value: "1".repeat(20_000) }] }));
    const good = await Deno.readFile(path);

    const newer = new DatabaseSync(path);
    newer.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
    newer.close();
    assert.match(await refusal(path), /newer Barnabas wrote it \(schema 2, this one knows 1\)/);

    await Deno.remove(path);
    const foreign = new DatabaseSync(path);
    foreign.exec("CREATE TABLE songs (title TEXT)");
    foreign.close();
    assert.match(await refusal(path), /SQLite file of another program/);

    await Deno.writeTextFile(path, "these are not the bytes of a database\n".repeat(100));
    assert.match(await refusal(path), /not an SQLite file/);

    for (let page = 1; page * 4096 < good.length; page++) {
      const damaged = good.slice();
      damaged.fill(0xa5, page * 4096, page * 4096 + 4096);
      await Deno.writeFile(path, damaged);
      assert.match(await refusal(path), /damaged|malformed/, `page ${page}`);
    }
    await Deno.writeFile(path, good);
    assert.match(await refusal(join(path, "below")), /Cannot open metadata store .*: unable to open/);
    await withStore(path, async (store) => assert.equal((await store.get("a"))?.value.length, 20_000));
  }));

Deno.test("open() treats an empty file as a new store, because a crash may leave one", () =>
  withFile(async (path) => {
    await Deno.writeFile(path, new Uint8Array());
    await withStore(path, async (store) => assert.deepEqual(await store.range(""), []));
  }));

Deno.test("open() refuses a file that another store has open", () =>
  withFile((path) =>
    withStore(path, async (store) => {
      await store.transact({ set: [{ key: "a", value: "1" }] });
      assert.match(await refusal(path), /another process has it open/);
    })
  ));

Deno.test("after a failure SqliteStore rejects all waiting and later requests, and reports the failure once", () =>
  withFile(async (path) => {
    const failures: string[] = [];
    const store = new SqliteStore((error) => failures.push(error.message));
    await Deno.writeTextFile(path, "no database".repeat(100));
    const opened = store.open(path);
    const read = store.get("a");
    await assert.rejects(opened, /not an SQLite file/);
    await assert.rejects(read, /not an SQLite file/);
    await assert.rejects(store.range(""), /not an SQLite file/);
    assert.equal(failures.length, 1);
    await store.close();
  }));

for (const suffix of ["", "-wal"]) {
  Deno.test(`a store whose file${suffix} is removed or replaced fails for good at the next transaction, and says so`, () =>
    withFile(async (path) => {
      const failures: string[] = [];
      const store = new SqliteStore((error) => failures.push(error.message));
      await store.open(path);
      await store.transact({ set: [{ key: "a", value: "1" }] });
      await Deno.rename(path + suffix, `${path}-away`);
      const sentence = new RegExp(`${path}${suffix} was removed or replaced while the broker ran`);
      await assert.rejects(store.transact({ set: [{ key: "a", value: "2" }] }), sentence);
      await assert.rejects(store.get("a"), sentence);
      assert.equal(failures.length, 1);
      await store.close();
    }));
}

Deno.test("describeFailure() keeps a store that the disk refused a request, and ends one of which it is unknown what is durable", () => {
  const describe = (message: string, errcode?: number) =>
    describeFailure(Object.assign(new Error(message), errcode === undefined ? {} : { errcode }), "/d/s", "write");
  for (const code of [13, undefined]) {
    const failure = describe("database or disk is full", code);
    assert.deepEqual(failure, { message: "Cannot write metadata store /d/s: the disk is full", fatal: false });
  }
  // IOERR_READ, IOERR_WRITE; IOERR_FSYNC, IOERR_DIR_FSYNC, IOERR_TRUNCATE, IOERR without its extended code
  for (const code of [266, 778]) assert.equal(describe("disk I/O error", code).fatal, false, `${code}`);
  for (const code of [1034, 1290, 1546, 10, undefined]) {
    const { message, fatal } = describe("disk I/O error", code);
    assert.deepEqual([message, fatal], ["Cannot write metadata store /d/s: the disk failed (disk I/O error)", true]);
  }
  const others: [string, number, RegExp][] = [
    ["database is locked", 5, /another process has it open/],
    ["attempt to write a readonly database", 8, /check the permissions/],
    ["database disk image is malformed", 11, /restore it from a backup/],
    ["unable to open database file: /d/s", 14, /check the permissions/],
    ["file is not a database", 26, /not an SQLite file/],
    ["UNIQUE constraint failed", 1555, /UNIQUE constraint failed/],
  ];
  for (const [text, errcode, words] of others) {
    for (const code of [errcode, undefined]) {
      const { message, fatal } = describe(text, code);
      assert.match(message, words);
      assert.equal(fatal, true, text);
    }
  }
});

Deno.test("close() finishes earlier requests and refuses later ones", () =>
  withFile(async (path) => {
    const store = new SqliteStore();
    await store.open(path);
    const written = store.transact({ set: [{ key: "a", value: "1" }] });
    const closed = store.close();
    await assert.rejects(store.get("a"), /closed/);
    assert.equal((await written).outcome, "committed");
    await closed;
    await store.close();
    const left = [];
    for await (const { name } of Deno.readDir(join(path, ".."))) left.push(name);
    assert.deepEqual(left, ["barnabas-metadata.sqlite"], "the write-ahead log is folded back");
  }));

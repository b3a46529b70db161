/**
 * The metadata store's file. Runs only in the store's worker: `node:sqlite` is synchronous, and every commit waits for the disk.
 *
 * ```
 *   application_id 0x42524e42 ("BRNB")  marks the file as a metadata store
 *   user_version   SCHEMA_VERSION       a newer one is refused
 *   store    (id = 1, revision)                       number of the last transaction
 *   entries  (key, value, version, lease)  by key     version = revision that wrote it
 * ```
 *
 * Write-ahead log with synchronous=FULL: a commit is one append and one fsync of the log, and survives a power cut (with the rollback
 * journal it would take three). SQLite checks every frame of the log on opening, so it drops a torn tail completely.
 * locking_mode=EXCLUSIVE keeps other processes out and needs no shared-memory file.
 *
 * Leases are held by this process: keys that they left are deleted when the file is opened again.
 * Source: sqlite.org/wal.html, sqlite.org/pragma.html.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import {
  ABSENT,
  MetadataStoreError,
  type StoreChange,
  type StoredEntry,
  type Transaction,
  type TransactionResult,
} from "./store.ts";
import { assertStorable } from "./stored_text.ts";

/** Version of the tables. */
export const SCHEMA_VERSION = 1;
const APPLICATION_ID = 0x42524e42;

/** Primary result codes of SQLite (sqlite.org/rescode.html): the low byte of an extended code. */
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;
/** Extended codes of reads and writes that failed. */
const SQLITE_IOERR_READ = 266;
const SQLITE_IOERR_WRITE = 778;

/** SQLite's texts of its codes (sqlite3_errstr): errors of exec() and of opening have no code in Deno 2.9.6. */
const codesByText = [
  ["database is locked", SQLITE_BUSY],
  ["attempt to write a readonly database", SQLITE_READONLY],
  ["disk I/O error", SQLITE_IOERR],
  ["database disk image is malformed", SQLITE_CORRUPT],
  ["database or disk is full", SQLITE_FULL],
  ["unable to open database file", SQLITE_CANTOPEN],
  ["file is not a database", SQLITE_NOTADB],
] as const;

const SCHEMA = `
  CREATE TABLE store (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL) STRICT;
  CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL, lease INTEGER)
    STRICT, WITHOUT ROWID;
  CREATE INDEX entries_of_lease ON entries (lease) WHERE lease IS NOT NULL;
  INSERT INTO store VALUES (1, 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};`;

/** A sentence for a failure. */
export interface DatabaseFailure {
  readonly message: string;
  /** Whether the file cannot be used any more. Otherwise nothing changed, and later requests may succeed. */
  readonly fatal: boolean;
}

/**
 * Describes an error of SQLite. A full disk, and a read or a write that failed, cost only the request that met them: frames of the
 * write-ahead log count when the last one of their transaction is complete, and the next transaction overwrites them. After a failed
 * flush it is unknown what reached the disk, and a second flush may wrongly succeed.
 * @param doing the failed operation ("open", "write")
 */
export function describeFailure(error: unknown, path: string, doing: string): DatabaseFailure {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof MetadataStoreError) return { message: text, fatal: true };
  const code = resultCodeOf(error);
  const prefix = `Cannot ${doing} metadata store ${path}: `;
  switch (code & 0xff) {
    case SQLITE_BUSY:
      return { message: `${prefix}another process has it open; stop that one first`, fatal: true };
    case SQLITE_NOTADB:
      return { message: `${prefix}it is not an SQLite file; move it away or restore it from a backup`, fatal: true };
    case SQLITE_CORRUPT:
      return { message: `${prefix}it is damaged (${text}); restore it from a backup`, fatal: true };
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return { message: `${prefix}${text}; check the permissions of the file and its directory`, fatal: true };
    case SQLITE_FULL:
      return { message: `${prefix}the disk is full`, fatal: false };
    case SQLITE_IOERR:
      return { message: `${prefix}the disk failed (${text})`, fatal: !isPassing(code) };
    default:
      return { message: `${prefix}${text}`, fatal: true };
  }
}

/** Whether the disk failed before anything could be durable. */
function isPassing(code: number): boolean {
  return code === SQLITE_IOERR_READ || code === SQLITE_IOERR_WRITE;
}

/** The extended result code where the error has it; -1 for an error that is not SQLite's. */
function resultCodeOf(error: unknown): number {
  if (!(error instanceof Error)) return -1;
  if ("errcode" in error) return Number(error.errcode);
  return codesByText.find(([text]) => error.message.startsWith(text))?.[1] ?? -1;
}

/** The open file. */
export class SqliteDatabase implements Disposable {
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #range: StatementSync;
  readonly #everything: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #setRevision: StatementSync;
  // Statements, because the errors of exec() do not say which code SQLite gave them.
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #files: readonly OpenedFile[];
  #revision: number;

  private constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#get = database.prepare("SELECT key, value, version FROM entries WHERE key = ?");
    this.#range = database.prepare("SELECT key, value, version FROM entries WHERE key >= ? AND key < ? ORDER BY key");
    this.#everything = database.prepare("SELECT key, value, version FROM entries ORDER BY key");
    this.#put = database.prepare(
      "INSERT INTO entries VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET " +
        "value = excluded.value, version = excluded.version, lease = excluded.lease",
    );
    this.#remove = database.prepare("DELETE FROM entries WHERE key = ?");
    this.#setRevision = database.prepare("UPDATE store SET revision = ?");
    this.#begin = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
    const row = database.prepare("SELECT revision FROM store").get();
    this.#revision = Number(row?.revision);
    // Reading has opened both.
    this.#files = [path, `${path}-wal`].map(openedFile);
    const orphans = this.#keysOfLease("lease IS NOT NULL");
    if (orphans.length > 0) this.transact({ delete: orphans });
  }

  /**
   * Opens the file, and creates it when it does not exist.
   * @throws MetadataStoreError when it is not a metadata store, or of a newer version
   * @throws Error of SQLite for any other failure; `describeFailure()` describes it
   */
  static open(path: string): SqliteDatabase {
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA locking_mode = EXCLUSIVE");
      if (identify(database, path) === "new") createSchema(database);
      else database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
      const check = database.prepare("PRAGMA quick_check(1)").get();
      if (check?.quick_check !== "ok") {
        throw new MetadataStoreError(
          `Cannot open metadata store ${path}: it is damaged (${check?.quick_check}); restore it from a backup`,
        );
      }
      return new SqliteDatabase(database, path);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Version of the last transaction. */
  get version(): number {
    return this.#revision;
  }

  /** Reads one key. */
  get(key: string): StoredEntry | null {
    const row = this.#get.get(key);
    return row === undefined ? null : toEntry(row);
  }

  /** Reads all keys with a prefix, in order. */
  range(prefix: string): StoredEntry[] {
    const rows = prefix === "" ? this.#everything.all() : this.#range.all(prefix, firstAfter(prefix));
    return rows.map(toEntry);
  }

  /**
   * Changes keys, and returns once the change is durable.
   * @param changes gets the changed keys
   * @throws MetadataStoreError when the files are gone @throws Error of SQLite when the disk refuses; then nothing changed
   */
  transact(transaction: Transaction, changes: StoreChange[] = []): TransactionResult {
    const conflicts = (transaction.compare ?? [])
      .filter(({ key, version }) => (this.get(key)?.version ?? ABSENT) !== version)
      .map(({ key }) => key);
    if (conflicts.length > 0) return { outcome: "refused", conflicts };
    for (const file of this.#files) refuseMoved(file);
    const version = this.#revision + 1;
    const made: StoreChange[] = [];
    this.#begin.run();
    try {
      for (const key of transaction.delete ?? []) {
        if (this.#remove.run(key).changes > 0) made.push({ key, deleted: true });
      }
      for (const { key, value, lease } of transaction.set ?? []) {
        assertStorable(key, value);
        this.#put.run(key, value, version, lease ?? null);
        made.push({ key, value, version });
      }
      this.#setRevision.run(version);
      this.#commit.run();
    } catch (error) {
      if (this.#database.isTransaction) this.#rollback.run();
      throw error;
    }
    this.#revision = version;
    for (const change of made) changes.push(change);
    return { outcome: "committed", version };
  }

  /** Keys that are deleted with a lease. */
  keysOfLease(lease: number): string[] {
    return this.#keysOfLease("lease = ?", lease);
  }

  /** Closes the file and merges the write-ahead log into it. Idempotent. */
  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #keysOfLease(condition: string, ...parameters: number[]): string[] {
    const rows = this.#database.prepare(`SELECT key FROM entries WHERE ${condition}`).all(...parameters);
    return rows.map(({ key }) => String(key));
  }
}

/** A file of the database, as it was when it was opened. */
interface OpenedFile {
  readonly path: string;
  readonly inode: number | null;
}

function openedFile(path: string): OpenedFile {
  return { path, inode: inodeOf(path) };
}

function inodeOf(path: string): number | null {
  try {
    return Deno.lstatSync(path).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Refuses to write a file that has lost its name: SQLite would commit to it, and the next start would not find the change. */
function refuseMoved({ path, inode }: OpenedFile): void {
  if (inodeOf(path) === inode) return;
  throw new MetadataStoreError(
    `Cannot write metadata store: ${path} was removed or replaced while the broker ran; restore it from a backup`,
  );
}

/** Returns whether a file is new or a metadata store. @throws MetadataStoreError for any other file */
function identify(database: DatabaseSync, path: string): "new" | "ours" {
  const applicationId = pragma(database, "application_id");
  const schemaVersion = pragma(database, "user_version");
  if (applicationId === 0 && schemaVersion === 0) {
    const tables = database.prepare("SELECT count(*) AS tables FROM sqlite_schema").get();
    if (Number(tables?.tables) === 0) return "new";
  }
  const prefix = `Cannot open metadata store ${path}: `;
  if (applicationId !== APPLICATION_ID) {
    throw new MetadataStoreError(`${prefix}it is an SQLite file of another program; move it away`);
  }
  if (schemaVersion > SCHEMA_VERSION) {
    throw new MetadataStoreError(
      `${prefix}a newer Barnabas wrote it (schema ${schemaVersion}, this one knows ${SCHEMA_VERSION}); run that version`,
    );
  }
  if (schemaVersion < SCHEMA_VERSION) {
    throw new MetadataStoreError(`${prefix}its schema ${schemaVersion} does not exist; restore it from a backup`);
  }
  return "ours";
}

/** Creates the tables in one transaction: after a crash in between, the file counts as new. */
function createSchema(database: DatabaseSync): void {
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
}

function pragma(database: DatabaseSync, name: "application_id" | "user_version"): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}

/** The first text that sorts after every key with a prefix. */
function firstAfter(prefix: string): string {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}

function toEntry(row: Record<string, unknown>): StoredEntry {
  return { key: String(row.key), value: String(row.value), version: Number(row.version) };
}

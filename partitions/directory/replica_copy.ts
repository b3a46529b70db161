/**
 * Copies the log of a partition to another log directory while it is written to (AlterReplicaLogDirs), into a directory named `…-future`
 * as in Kafka. Main isolate, with asynchronous file calls: no shard and no turn waits for them.
 *
 *   closed segments seldom change: copied with their indexes while the log is open · the active one and small files: when the log is closed
 *
 * Compaction, retention and truncation may replace, remove or cut a closed segment meanwhile, so each copy remembers which file it was made of.
 * Always: what `finish()` leaves is equal to the log, and durable.
 */
import { parsePartitionFileName, syncDirectoryAsync } from "../../storage/control.ts";

/** Which file a copy was made of. */
interface Source {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
}

/** One copy. */
export class ReplicaCopy {
  readonly #from: string;
  readonly #to: string;
  readonly #copied = new Map<string, Source>();
  #isCreated = false;

  /** @param from the partition's directory @param to the new directory */
  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
  }

  /** Bytes of the `.log` files that were copied. */
  get bytes(): number {
    return this.#copied.entries().reduce((sum, [name, { size }]) => sum + (name.endsWith(".log") ? size : 0), 0);
  }

  /**
   * Creates the directory, and copies the closed segments that were not copied yet.
   * @param mayContinue asked before each file
   * @returns bytes of the `.log` files that remain, and the offset below which all is copied
   * @throws Error of the runtime when a disk refuses
   */
  async copyClosed(mayContinue: () => boolean = () => true): Promise<{ remaining: number; endOffset: number }> {
    if (!this.#isCreated) await Deno.mkdir(this.#to);
    this.#isCreated = true;
    const names = await this.#names();
    const logs = names.flatMap((name) => parsePartitionFileName(name) ?? []).filter(({ kind }) => kind === ".log");
    const active = logs.reduce((last, { offset }) => Math.max(last, offset), -1);
    for (const name of names) {
      const file = parsePartitionFileName(name);
      if (file !== null && file.offset < active && mayContinue()) await this.#copy(name);
    }
    let remaining = 0;
    for (const name of await this.#names()) {
      const source = name.endsWith(".log") ? await sourceOf(`${this.#from}/${name}`) : null;
      if (source !== null && !isSame(source, this.#copied.get(name))) remaining += source.size;
    }
    return { remaining, endOffset: active };
  }

  /** Copies everything else, once the log is closed. @throws Error of the runtime when a disk refuses */
  async finish(): Promise<void> {
    const names = await this.#names();
    for (const name of names) await this.#copy(name);
    for (const name of this.#copied.keys()) {
      if (names.includes(name)) continue;
      await Deno.remove(`${this.#to}/${name}`);
      this.#copied.delete(name);
    }
    await syncDirectoryAsync(this.#to);
  }

  /**
   * Removes the copy. It loses its name first: what a crash leaves of a complete copy must not count as one later.
   * @throws Error of the runtime when the disk refuses
   */
  async remove(): Promise<void> {
    if (!this.#isCreated) return;
    const away = this.#to.replace(/-future$/, "-delete");
    await Deno.rename(this.#to, away);
    await Deno.remove(away, { recursive: true });
  }

  /** Names of the files that a start would open. */
  async #names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name, isFile } of Deno.readDir(this.#from)) {
      if (isFile && !/\.(deleted|cleaned|swap|tmp)$/.test(name)) names.push(name);
    }
    return names.toSorted();
  }

  async #copy(name: string): Promise<void> {
    const [from, to] = [`${this.#from}/${name}`, `${this.#to}/${name}`];
    const source = await sourceOf(from);
    if (source === null || isSame(source, this.#copied.get(name))) return;
    try {
      await Deno.copyFile(from, to);
    } catch (error) {
      // Retention may have removed it since it was looked at, and compaction may have put another file in its place.
      const now = error instanceof Deno.errors.NotFound ? await sourceOf(from) : source;
      if (now === null) return;
      if (isSame(now, source)) throw error;
      return this.#copy(name);
    }
    // Retention goes by the time of a segment whose records have none.
    await Deno.utime(to, new Date(), new Date(source.mtimeMs));
    using file = await Deno.open(to, { read: true, write: true });
    await file.sync();
    this.#copied.set(name, source);
  }
}

/** @returns null where there is no such file any more */
async function sourceOf(path: string): Promise<Source | null> {
  try {
    const { ino, size, mtime } = await Deno.stat(path);
    return { ino: ino ?? 0, size, mtimeMs: mtime?.getTime() ?? 0 };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function isSame(source: Source, copied: Source | undefined): boolean {
  return copied !== undefined && copied.ino === source.ino && copied.size === source.size &&
    copied.mtimeMs === source.mtimeMs;
}

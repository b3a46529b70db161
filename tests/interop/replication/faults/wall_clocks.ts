/**
 * Wall clocks of brokers that a test sets, each its own: the library libfaketime, loaded into a broker before libc, answers it with a time that
 * a file says. Its monotonic clock stays the machine's, and so do the times of its files. Main isolate of a test.
 *
 * Source: README of libfaketime 0.9.10, "Using FAKETIME_TIMESTAMP_FILE".
 */
import { exists } from "../../../../bench/peer/install.ts";
import { HERE, type Place } from "../../cluster/places.ts";

/** Where Debian's package libfaketime has the variant for programs with threads. */
const LIBRARY = `/usr/lib/${Deno.build.arch}-linux-gnu/faketime/libfaketimeMT.so.1`;
/** Where the library leaves two files for each process: few programs end in a way that it notices. */
const SHARED_MEMORY = "/dev/shm";

/** The clocks. Disposal removes their files; brokers that use them must have ended. */
export class WallClocks implements Disposable {
  readonly #directory = Deno.makeTempDirSync({ prefix: "barnabas-clocks-" });

  /** Where a broker runs: here, by its own clock. Other programs have the machine's. */
  placeOf(name: string): Place {
    if (!name.startsWith("broker-")) return HERE;
    this.set(name, 0);
    const words = [
      "env",
      `LD_PRELOAD=${LIBRARY}`,
      `FAKETIME_TIMESTAMP_FILE=${this.#fileOf(name)}`,
      // Each call reads the file: otherwise some threads would be in another hour than the others for a while.
      "FAKETIME_NO_CACHE=1",
      "FAKETIME_DONT_FAKE_MONOTONIC=1",
      "NO_FAKE_STAT=1",
    ];
    return { host: HERE.host, words };
  }

  /** Sets a broker's clock, for all its threads at once. @param aheadMs of the machine's, whole seconds */
  set(name: string, aheadMs: number): void {
    const seconds = Math.trunc(aheadMs / 1000);
    // The library reads the file at any time, and must not find half of it.
    const partial = `${this.#fileOf(name)}.partial`;
    Deno.writeTextFileSync(partial, `${seconds < 0 ? "" : "+"}${seconds}\n`);
    Deno.renameSync(partial, this.#fileOf(name));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#directory, { recursive: true });
    for (const { name } of Deno.readDirSync(SHARED_MEMORY)) {
      const pid = /^(?:faketime_shm|sem\.faketime_sem)_(\d+)$/.exec(name)?.[1];
      if (pid !== undefined && !exists(`/proc/${pid}`)) Deno.removeSync(`${SHARED_MEMORY}/${name}`);
    }
  }

  #fileOf(name: string): string {
    return `${this.#directory}/${name}`;
  }
}

/** Whether this machine has the library. */
export function hasWallClocks(): boolean {
  return exists(LIBRARY);
}

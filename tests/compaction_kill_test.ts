/**
 * A broker that compacts without a pause is killed (SIGKILL) between any two of its instructions, and started again: every key has a
 * value that was not older than the last acknowledged one, and offsets stay what they were. BARNABAS_SEED replays when it is killed, by
 * the count of acknowledged writes.
 */
import { strict as assert } from "node:assert";
import { BrokerProcess } from "./broker_process.ts";
import { Random, withSeed } from "./interop/random.ts";
import { slowTestsWanted } from "./interop/toolchain.ts";
import { isConnectionLost, KafkaClient } from "./kafka_client.ts";
import { findInconsistencies } from "./log_fixture.ts";
import { withDirectory } from "./temporary_directory.ts";
import { create } from "./topic_requests.ts";
import { compactedConfigs, type FoundRecord, readRecords, upsert } from "./upserts.ts";

const ROUNDS = slowTestsWanted() ? 50 : 5;
const KEYS = 40;
const overrides = { "log.cleaner.backoff.ms": "1" };

/** The writer's knowledge: for each key its value of each offset, and the last acknowledged one. */
class Witness {
  readonly #values: string[][] = Array.from({ length: KEYS }, () => []);
  readonly #acknowledged: number[] = new Array(KEYS).fill(-1);
  readonly #byOffset = new Map<number, string>();
  #next = 0;

  /** Writes one record of each of some keys. */
  async write(client: KafkaClient): Promise<void> {
    const keys = Array.from({ length: 8 }, (_, i) => (this.#next * 3 + i * 5) % KEYS);
    const written = [...new Set(keys)].map((key) => {
      const value = this.#next % 7 === 0 && key % 4 === 0 ? null : `${this.#next} `.repeat(12);
      this.#values[key]!.push(value ?? "");
      return { key, value, index: this.#values[key]!.length - 1 };
    });
    this.#next++;
    const records = written.map(({ key, value }) => ({ key: `${key}`, value }));
    const base = await upsert(client, "t", records);
    for (const [i, { key, value, index }] of written.entries()) {
      this.#acknowledged[key] = index;
      this.#byOffset.set(base + i, `${key}=${value}`);
    }
  }

  verify(found: readonly FoundRecord[]): void {
    const last = new Map<number, string>();
    let offset = -1;
    for (const record of found) {
      assert.ok(record.offset > offset, "offsets grow");
      offset = record.offset;
      last.set(Number(record.key), record.value ?? "");
      const written = this.#byOffset.get(record.offset);
      if (written !== undefined) assert.equal(`${record.key}=${record.value}`, written);
    }
    for (const [key, values] of this.#values.entries()) {
      const acknowledged = this.#acknowledged[key]!;
      if (acknowledged < 0) continue;
      // A tombstone that is gone stands for the value "" too.
      const index = values.lastIndexOf(last.get(key) ?? "");
      assert.ok(index >= acknowledged, `key ${key} has value ${index} of ${acknowledged} acknowledged ones`);
    }
  }
}

Deno.test("every acknowledged last value is there after kill -9 while logs are compacted", () =>
  withSeed((seed) =>
    withDirectory(async (dataDir) => {
      const random = new Random(seed);
      const witness = new Witness();
      let compactions = 0;
      for (let round = 0; round <= ROUNDS; round++) {
        const broker = await BrokerProcess.start({ dataDir, overrides, shards: 2 });
        using client = await KafkaClient.connect(broker);
        if (round === 0) await create(client, "t", 1, { ...compactedConfigs, "delete.retention.ms": "0" });
        const found = await readRecords(client, "t");
        witness.verify(found);
        if (found.length > 0 && found.length < found.at(-1)!.offset) compactions++;
        if (round === ROUNDS) {
          await broker.stop();
          break;
        }
        const writes = 100 + random.below(300);
        for (let count = 0; count < writes; count++) await witness.write(client);
        // The kill meets the compaction wherever it is; the last write may be on its way.
        const last = witness.write(client).catch((error) => {
          if (!isConnectionLost(error)) throw error;
        });
        await broker.kill();
        await last;
      }
      assert.ok(compactions >= ROUNDS - 1, `${compactions} rounds found a compacted log`);
      assert.deepEqual(findInconsistencies(`${dataDir}/t-0`, { isCleaned: true }), []);
    })
  ));

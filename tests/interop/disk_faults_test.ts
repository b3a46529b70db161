/**
 * System calls of a running broker begin to fail, and then work again: an fdatasync ends with EIO; writes end with ENOSPC, EROFS, or fewer
 * bytes than asked for. Idempotent producers get Kafka's code, nothing that was acknowledged before is lost, other topics are served as
 * before, also those whose flushes are in the same group, and Apache Kafka finds no fault in the files. Then flushes take 200 ms each, and
 * turns of shards stay short. (Faults from the start of a broker: tests/disk_faults_test.ts.)
 */
import assert from "node:assert/strict";
import { batchesOf, recordsOfBatch, wireBatch } from "../../bench/peer/wire_bytes.ts";
import { NONE, type TopicPartition, WireClient } from "../../bench/peer/wire_client.ts";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { judgeTurns } from "../hostile/judgement.ts";
import { Meter } from "../hostile/meter.ts";
import { Victim } from "../hostile/victim_process.ts";
import { type BrokerProcess, startBrokerProcess, temporaryDirectory } from "./broker.ts";
import { dumpLogSegments } from "./dump_log.ts";
import { InjectedFault, straceWords } from "./system_faults.ts";
import { interopTest } from "./toolchain.ts";

const { KAFKA_STORAGE_ERROR } = errorCode;
const FAULTY: TopicPartition = { topic: "faulty", partition: 0 };
/** Topics whose files are sound: one flushes each batch, in the same groups as the faulty one. */
const SOUND: readonly TopicPartition[] = [{ topic: "flushed", partition: 0 }, { topic: "plain", partition: 0 }];

/** An idempotent producer of small batches, which knows what was acknowledged. */
class Producer {
  readonly to: TopicPartition;
  /** Values of acknowledged batches. */
  readonly acknowledged: string[] = [];
  readonly #producerId: number;
  #sequence = 0;

  constructor(to: TopicPartition, producerId: number) {
    this.to = to;
    this.#producerId = producerId;
  }

  /** Sends the next batch, or the same again if it was refused. @returns the code */
  async send(client: WireClient, acks = -1): Promise<number> {
    const value = `${this.to.topic} ${this.#sequence} ${"-".repeat(500)}`;
    const records = [{ value: new TextEncoder().encode(value) }];
    const options = { producerId: this.#producerId, producerEpoch: 0, baseSequence: this.#sequence };
    const { errorCode } = await client.produce(this.to, wireBatch(records, options), acks);
    if (errorCode === NONE) {
      this.acknowledged.push(value);
      this.#sequence++;
    }
    return errorCode;
  }
}

/** A broker, and a producer for each topic. */
class Scene implements AsyncDisposable {
  readonly faulty: Producer;
  readonly sound: readonly Producer[];
  broker: BrokerProcess;
  client: WireClient;

  private constructor(broker: BrokerProcess, client: WireClient, producers: readonly Producer[]) {
    this.broker = broker;
    this.client = client;
    this.faulty = producers[0]!;
    this.sound = producers.slice(1);
  }

  static async start(dataDir: string): Promise<Scene> {
    const broker = await startBrokerProcess({ dataDir });
    const client = await WireClient.connect(broker.port);
    const producers: Producer[] = [];
    for (const to of [FAULTY, ...SOUND]) {
      await client.createTopic(to.topic, 1, to.topic === "plain" ? {} : { "flush.messages": "1" });
      producers.push(new Producer(to, await client.initProducerId()));
    }
    const scene = new Scene(broker, client, producers);
    await scene.sendAll([scene.faulty, ...scene.sound]);
    return scene;
  }

  /** Injects a fault into calls on the only segment of the faulty topic. */
  inject(call: string, injected: string): Promise<InjectedFault> {
    const paths = [`${this.broker.dataDir}/${FAULTY.topic}-0/${"0".repeat(20)}.log`];
    return InjectedFault.inject(this.broker.process.pid, { call, injected, paths });
  }

  /** Ten batches of each producer must be acknowledged. */
  async sendAll(producers: readonly Producer[]): Promise<void> {
    for (let i = 0; i < 10; i++) {
      for (const producer of producers) assert.equal(await producer.send(this.client), NONE, producer.to.topic);
    }
  }

  /** Reads what was acknowledged, nothing else and nothing twice. */
  async verify(producers: readonly Producer[]): Promise<void> {
    for (const { to, acknowledged } of producers) {
      const values: string[] = [];
      for (let next = 0;;) {
        const { errorCode, highWatermark, records } = await this.client.fetch(to, next);
        assert.equal(errorCode, NONE, to.topic);
        for (const batch of batchesOf(records)) {
          assert.equal(batch.baseOffset, next, "offsets are dense");
          values.push(new TextDecoder().decode(recordsOfBatch(batch)[0]!.value!));
          next++;
        }
        if (next >= highWatermark) break;
      }
      assert.deepEqual(values, acknowledged, `${to.topic}: each acknowledged record is there once`);
    }
  }

  async restart(signal: Deno.Signal): Promise<void> {
    const { dataDir, process, port } = this.broker;
    this.client[Symbol.dispose]();
    process.signal(signal);
    await process.status;
    this.broker = await startBrokerProcess({ dataDir, port });
    this.client = await WireClient.connect(port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.broker[Symbol.asyncDispose]();
  }
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  interopTest({
    name: `disk faults: EIO of an fdatasync takes its log offline until a restart (${signal}); no other topic notices`,
    needs: ["strace", "kafka"],
    async fn() {
      using directory = temporaryDirectory();
      {
        await using scene = await Scene.start(directory.path);
        const { faulty, sound } = scene;
        {
          await using fault = await scene.inject("fdatasync", "error=EIO");
          assert.equal(await faulty.send(scene.client), KAFKA_STORAGE_ERROR);
          await scene.sendAll(sound);
          assert.equal(fault.count, 1, "the flush is not tried again");
        }
        for (const acks of [-1, 1]) assert.equal(await faulty.send(scene.client, acks), KAFKA_STORAGE_ERROR);
        assert.equal((await scene.client.fetch(FAULTY, 0)).errorCode, KAFKA_STORAGE_ERROR);
        await scene.sendAll(sound);
        await scene.verify(sound);
        await scene.restart(signal);
        await scene.sendAll([faulty, ...sound]);
        await scene.verify([faulty, ...sound]);
      }
      assert.deepEqual((await dumpLogSegments(directory.path)).complaints, []);
    },
  });
}

for (const injected of ["error=ENOSPC", "error=EROFS", "retval=100"]) {
  interopTest({
    name:
      `disk faults: writes that end with ${injected} are refused, nothing of them is stored, and later ones succeed`,
    needs: ["strace", "kafka"],
    async fn() {
      using directory = temporaryDirectory();
      {
        await using scene = await Scene.start(directory.path);
        const { faulty, sound } = scene;
        {
          await using fault = await scene.inject("pwrite64", injected);
          for (const acks of [-1, 1, -1]) assert.equal(await faulty.send(scene.client, acks), KAFKA_STORAGE_ERROR);
          assert(fault.count >= 3);
          await scene.sendAll(sound);
          await scene.verify([faulty, ...sound]);
        }
        await scene.sendAll([faulty, ...sound]);
        await scene.verify([faulty, ...sound]);
        await scene.restart("SIGKILL");
        await scene.sendAll([faulty, ...sound]);
        await scene.verify([faulty, ...sound]);
      }
      assert.deepEqual((await dumpLogSegments(directory.path)).complaints, []);
    },
  });
}

interopTest({
  name:
    "disk faults: while each flush of a topic takes 200 ms, turns of shards stay short, and other topics are served",
  needs: ["strace"],
  async fn() {
    const partitions = [0, 1, 2, 3];
    await using victim = await Victim.start({
      // A filter in the kernel stops the broker at these calls only; -D keeps the broker the child of this process.
      wrapper: (dataDir) => [
        ...["strace", "-D", "--seccomp-bpf", "-o", "/dev/null"],
        ...straceWords({
          call: "fdatasync",
          injected: "delay_exit=200000",
          paths: partitions.map((partition) => `${dataDir}/slow-${partition}/${"0".repeat(20)}.log`),
        }),
      ],
    });
    using slow = await WireClient.connect(victim.port);
    using fast = await WireClient.connect(victim.port);
    using meter = new Meter();
    await slow.createTopic("slow", partitions.length, { "flush.messages": "1" });
    await fast.createTopic("fast", partitions.length);
    const before = await victim.turnTimes();
    await meter.start(victim.pid);
    const batch = wireBatch([{ value: new Uint8Array(500) }]);
    let [isOver, servedMeanwhile] = [false, 0];
    const slowly = (async () => {
      const startMs = performance.now();
      for (const partition of [...partitions, ...partitions]) {
        assert.equal((await slow.produce({ topic: "slow", partition }, batch)).errorCode, NONE);
      }
      isOver = true;
      assert(performance.now() - startMs >= 8 * 200, "each acknowledgement waited for its flush");
    })();
    while (!isOver) {
      const to = { topic: "fast", partition: servedMeanwhile++ % partitions.length };
      assert.equal((await fast.produce(to, batch)).errorCode, NONE);
    }
    await slowly;
    const samples = await meter.stop();
    const complaints: string[] = [];
    judgeTurns(before!, (await victim.turnTimes())!, { samples, complain: (text) => complaints.push(text) });
    assert.deepEqual(complaints, []);
    assert(servedMeanwhile > 100, `${servedMeanwhile} batches of the other topic were acknowledged meanwhile`);
  },
});

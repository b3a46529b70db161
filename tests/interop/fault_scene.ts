/**
 * A broker with a topic whose disk is to fail and topics whose disk is sound, and an idempotent producer for each, which knows what was
 * acknowledged. Main isolate of a test.
 */
import assert from "node:assert/strict";
import { batchesOf, recordsOfBatch, wireBatch } from "../../bench/peer/wire_bytes.ts";
import { NONE, type TopicPartition, WireClient } from "../../bench/peer/wire_client.ts";
import { type BrokerProcess, startBrokerProcess } from "./broker.ts";
import { InjectedFault } from "./system_faults.ts";

/** The partition whose files fail. */
export const FAULTY: TopicPartition = { topic: "faulty", partition: 0 };
/** Topics whose files are sound: one flushes each batch, in the same groups as the faulty one. */
export const SOUND: readonly TopicPartition[] = [{ topic: "flushed", partition: 0 }, { topic: "plain", partition: 0 }];

/** An idempotent producer of batches, which knows what was acknowledged. */
export class Producer {
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
  async send(client: WireClient, { acks = -1, bytes = 500 } = {}): Promise<number> {
    const value = `${this.to.topic} ${this.#sequence} ${"-".repeat(bytes)}`;
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
export class Scene implements AsyncDisposable {
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

/** A client that produces over a shard of a broker of two, and waits for its answers. Tests only. */
import { topicOn } from "../../partitions/owned/partition_testing.ts";
import { emptyWatermarks } from "../../partitions/shared/watermarks.ts";
import type { CrashingFileSystem } from "../../tests/crashing_file_system.ts";
import { endIdle, TestBroker, TestClient } from "../requests/operation_testing.ts";
import { produceResponse } from "../protocol/messages/00_produce.ts";
import { handleProduce } from "./00_produce.ts";

const TOPIC_ID = topicOn([0, 1]).id;

/** How batches are produced. */
export interface ProduceOptions {
  readonly acks?: number;
  readonly version?: number;
  /** Name of the topic up to version 12, "t" by default. From version 13 on it is the one with the id of `topicOn()`. */
  readonly topic?: string;
  readonly timeoutMs?: number;
}

/** The broker and the client. Disposal asserts that nothing is held or waits. */
export class ProduceFixture implements Disposable {
  readonly broker: TestBroker;
  readonly world;
  readonly client: TestClient;
  readonly services;

  /** @param files of the two shards; a file system for each by default */
  constructor(files: readonly CrashingFileSystem[] = []) {
    this.broker = new TestBroker(2, {}, files);
    this.world = this.broker.world;
    this.client = new TestClient(this.world.at(0));
    this.services = this.broker.services();
  }

  /** Handles a request, and runs the shards. @param client who sends it */
  produce(
    partitions: readonly (readonly [index: number, records: Uint8Array])[],
    { acks = 1, version = 9, topic = "t", timeoutMs = 1000 }: ProduceOptions = {},
    client = this.client,
  ): void {
    const partitionData = partitions.map(([index, records]) => ({ index, records: client.putBatch(records) }));
    const topicData = [{ name: version < 13 ? topic : "", topicId: TOPIC_ID, partitionData }];
    const request = { transactionalId: null, acks, timeoutMs, topicData };
    handleProduce(request, client.request(0, version), this.services);
    this.world.pump();
  }

  /** Takes the oldest answer. @returns code and base offset of each of its partitions */
  take(version = 9): (readonly [number, number])[] {
    const [topic] = this.client.take(produceResponse, version).responses;
    return (topic?.partitionResponses ?? []).map(({ errorCode: code, baseOffset }) => [code, baseOffset] as const);
  }

  /** The watermarks of a partition. */
  row(slot: number) {
    return this.world.table.read(slot, emptyWatermarks());
  }

  logEnd(slot: number): number {
    return this.row(slot).logEndOffset;
  }

  /** Ends what a test still holds, after its client has disconnected. */
  protected endHeld(): void {
    this.world.pump();
  }

  [Symbol.dispose](): void {
    endIdle(this.broker, this.client, () => this.endHeld());
  }
}

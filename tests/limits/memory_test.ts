/**
 * Clients send more bytes of requests at a time than there is memory for: every request completes in the end, and small ones are served
 * meanwhile.
 */
import { strict as assert } from "node:assert";
import { startBroker } from "../../mod.ts";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { produceRequest, produceResponse } from "../../net/protocol/messages/00_produce.ts";
import { frameOf, KafkaClient } from "../kafka_client.ts";
import { PRODUCE, produce } from "./requests.ts";

const MIB = 1024 * 1024;
const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";

/** A produce of this size to a topic that does not exist: received as a whole, written nowhere. */
function requestOf(bytes: number): Uint8Array {
  const topicData = [{ name: "none", partitionData: [{ index: 0, records: new Uint8Array(bytes) }] }];
  const request = { transactionalId: null, acks: -1, timeoutMs: 5000, topicData };
  return frameOf(produceRequest, { apiVersion: PRODUCE, correlationId: 1 }, request);
}

/** Sends one frame in parts. */
class Upload {
  sentBytes = 0;
  readonly client: KafkaClient;
  readonly #frame: Uint8Array;

  constructor(client: KafkaClient, frame: Uint8Array) {
    this.client = client;
    this.#frame = frame;
  }

  async sendUpTo(end: number): Promise<void> {
    while (this.sentBytes < end) {
      const next = Math.min(end, this.sentBytes + MIB);
      await this.client.sendRaw(this.#frame.subarray(this.sentBytes, next));
      this.sentBytes = next;
    }
  }

  async answer(): Promise<number | undefined> {
    const answer = await this.client.receive(produceResponse, PRODUCE);
    return answer?.response.responses[0]?.partitionResponses[0]?.errorCode;
  }
}

/** Settles when no upload has moved for a third of a second. */
async function standstill(uploads: readonly Upload[]): Promise<void> {
  const total = () => uploads.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  for (let [before, sinceMs] = [-1, 0]; before !== total() || performance.now() - sinceMs < 333;) {
    if (before !== total()) [before, sinceMs] = [total(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function uploadAll(
  of: { clientsCount: number; requestBytes: number; overrides: Record<string, string> },
): Promise<void> {
  const { clientsCount, requestBytes, overrides } = of;
  await using broker = await startBroker({ port: 0, shards: 2, topics: [{ name: "t", partitions: 2 }], overrides });
  using clients = new DisposableStack();
  const frame = requestOf(requestBytes);
  const uploads: Upload[] = [];
  for (let index = 0; index < clientsCount; index++) {
    uploads.push(new Upload(clients.use(await KafkaClient.connect(broker)), frame));
  }
  const starts = uploads.map((upload) => upload.sendUpTo(Math.floor(frame.length * 0.6)));
  await standstill(uploads);
  const stuck = uploads.filter(({ sentBytes }) => sentBytes < frame.length * 0.6).length;
  assert.ok(stuck > 0, "the broker takes no more than it has memory for");
  // Others are served meanwhile, also with requests that need a block of their own.
  using bystander = await KafkaClient.connect(broker);
  for (let index = 0; index < 20; index++) await produce(bystander, index % 2, 900_000);
  const answers = uploads.map(async (upload, index) => {
    await starts[index];
    await upload.sendUpTo(frame.length);
    return await upload.answer();
  });
  for (const code of await Promise.all(answers)) assert.equal(code, errorCode.UNKNOWN_TOPIC_OR_PARTITION);
}

Deno.test("large requests that need more memory than there is all complete, and small ones are served meanwhile", async () => {
  const overrides = { "socket.request.max.bytes": String(9 * MIB), "queued.max.request.bytes": String(9 * MIB) };
  await uploadAll({ clientsCount: 30, requestBytes: 8 * MIB, overrides });
});

Deno.test({
  name: "20 requests of 100 MB at a time all complete (BARNABAS_SLOW=1)",
  ignore: !isSlow,
  fn: () => uploadAll({ clientsCount: 20, requestBytes: 99 * MIB, overrides: {} }),
});

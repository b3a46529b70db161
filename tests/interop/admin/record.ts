// deno-lint-ignore-file no-console -- the program's own words
/**
 * Records what Apache Kafka answers to all cases into tests/golden/admin_kafka_4.3.1.jsonl. Main isolate.
 *
 *    deno run -A tests/interop/admin/record.ts
 */
import { findCoordinatorRequest, findCoordinatorResponse } from "../../../net/protocol/messages/10_find_coordinator.ts";
import {
  describeTransactionsRequest,
  describeTransactionsResponse,
} from "../../../net/protocol/messages/65_describe_transactions.ts";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { startApacheKafka } from "../../../bench/peer/apache_kafka.ts";
import { waitFor } from "../../../bench/peer/processes.ts";
import type { KafkaClient } from "../../kafka_client.ts";
import { temporaryDirectory } from "../broker.ts";
import { GOLDEN, playAdminCases } from "./play.ts";

/** Has Kafka create `__transaction_state`, and waits until it knows of each id that it does not exist. */
async function createTransactionLog(client: KafkaClient): Promise<void> {
  const sought = { key: "", keyType: 1, coordinatorKeys: ["orders"] };
  const transactionalIds = ["orders", "a"];
  await waitFor("the coordinator of transactions", async () => {
    await client.call(findCoordinatorRequest, findCoordinatorResponse, { apiVersion: 4, value: sought });
    const asked = { apiVersion: 0, value: { transactionalIds } };
    const { transactionStates } = await client.call(describeTransactionsRequest, describeTransactionsResponse, asked);
    const isReady = transactionStates.every((state) => state.errorCode === errorCode.TRANSACTIONAL_ID_NOT_FOUND);
    return isReady ? true : undefined;
  });
}

if (import.meta.main) {
  using directory = temporaryDirectory();
  await using kafka = await startApacheKafka({ directory: directory.path, properties: {} });
  const answers = await playAdminCases(kafka.port, createTransactionLog);
  await Deno.writeTextFile(GOLDEN, answers.map((answer) => `${JSON.stringify(answer)}\n`).join(""));
  console.log(`${answers.length} answers written to ${GOLDEN.pathname}`);
}

/** Calls of the tools that change settings of brokers while they run. Plain data of a test. */
import { call, type ToolSession } from "./recorded_tools.ts";
import { createTopics } from "./session_topics.ts";

const CONFIGS = "kafka.admin.ConfigCommand";
const one = (...words: string[]) => call(CONFIGS, "--entity-type", "brokers", "--entity-name", "1", ...words);
const all = (...words: string[]) => call(CONFIGS, "--entity-type", "brokers", "--entity-default", ...words);

/** kafka-configs for brokers. */
export const brokerConfigSession: ToolSession = {
  name: "broker_configs",
  properties: { "log.retention.hours": "2", "message.max.bytes": "2000000" },
  prepare: (broker) => createTopics(broker, { numbers: 1 }),
  calls: [
    one("--describe"),
    all("--describe"),
    one("--alter", "--add-config", "log.cleaner.threads=2,log.retention.ms=3600000"),
    one("--describe"),
    all("--alter", "--add-config", "message.max.bytes=3000000,log.retention.ms=7200000"),
    all("--describe"),
    one("--describe"),
    call(CONFIGS, "--entity-type", "topics", "--entity-name", "numbers", "--describe"),
    one("--alter", "--add-config", "log.cleanup.policy=[compact,delete]"),
    one("--alter", "--delete-config", "log.retention.ms,log.cleanup.policy"),
    one("--alter", "--delete-config", "log.retention.ms"),
    one("--describe"),
    one("--alter", "--add-config", "num.partitions=3"),
    all("--alter", "--add-config", "log.segment.bytes=many"),
    one("--alter", "--add-config", "log.cleaner.threads=9"),
    all("--alter", "--add-config", "listeners=PLAINTEXT://127.0.0.1:1"),
    call(CONFIGS, "--entity-type", "brokers", "--entity-name", "one", "--describe"),
    call(CONFIGS, "--entity-type", "brokers", "--describe"),
    all("--alter", "--delete-config", "message.max.bytes,log.retention.ms"),
    all("--describe"),
  ],
  // Kafka sets it for all brokers when it turns eligible leader replicas on (KIP-966).
  omitted: /^ *min\.insync\.replicas=1 sensitive=false synonyms=\{DYNAMIC_DEFAULT_BROKER_CONFIG/,
};

/**
 * Apache Kafka's own command-line tools print of this broker what they print of Apache Kafka 4.3.1 in the same state. Their words were recorded
 * as tools/recorded_tools.ts says. (kafka-consumer-groups: group_command_test.ts. What tools do to a cluster: cluster.)
 */
import { KafkaTools } from "./kafka_tools.ts";
import { brokerConfigSession } from "./tools/broker_sessions.ts";
import { credentialSession, quotaSession } from "./tools/client_sessions.ts";
import { apiVersionsSession, clusterSession, featureSession, quorumSession } from "./tools/cluster_sessions.ts";
import { playSession, type ToolSession } from "./tools/recorded_tools.ts";
import {
  configSession,
  electionSession,
  logSession,
  offsetSession,
  reassignmentSession,
} from "./tools/topic_sessions.ts";
import { interopTest } from "./toolchain.ts";

const sessions: readonly ToolSession[] = [
  electionSession,
  offsetSession,
  logSession,
  configSession,
  brokerConfigSession,
  reassignmentSession,
  quotaSession,
  credentialSession,
  clusterSession,
  quorumSession,
  featureSession,
  apiVersionsSession,
];

interopTest({
  name: "recorded tools: Apache Kafka's own commands print what they print of Apache Kafka",
  needs: ["java"],
  proves: { tools: ["topics", "configs", "quotas", "scram"] },
  async fn(context) {
    await using tools = new KafkaTools();
    const wanted = Deno.env.get("BARNABAS_SESSION");
    for (const session of sessions.filter(({ name }) => wanted === undefined || wanted === name)) {
      await context.step(session.name, () => playSession(session, tools));
    }
  },
});

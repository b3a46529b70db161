/**
 * The broker's settings of quotas: Kafka's names, types, defaults and ranges. Pure data; any isolate.
 *
 * The rates themselves are no settings of the broker but client quotas (AlterClientQuotas), except that of new connections. Source:
 * QuotaConfig and SocketServerConfigs of Apache Kafka 4.3.1.
 */
import { type ConfigDefinition, setting } from "../config_definitions.ts";
import { atLeast } from "../config_values.ts";

/** Settings of quotas, ordered by name. */
export const brokerQuotaDefinitions: readonly ConfigDefinition[] = [
  setting(
    "controller.quota.window.num",
    "INT",
    "11",
    "Windows whose share of controller_mutation_rate can be saved up.",
    { check: atLeast(1) },
  ),
  setting("controller.quota.window.size.seconds", "INT", "1", "Length of such a window.", { check: atLeast(1) }),
  setting(
    "max.connection.creation.rate",
    "INT",
    "2147483647",
    "New connections a second, of all listeners; listener.name.NAME.max.connection.creation.rate limits one of them.",
    { check: atLeast(0), update: "cluster-wide" },
  ),
  setting(
    "quota.window.num",
    "INT",
    "11",
    "Windows of other quotas: the share of all but one of them can be saved up.",
    { check: atLeast(1) },
  ),
  setting("quota.window.size.seconds", "INT", "1", "Length of such a window.", { check: atLeast(1) }),
];

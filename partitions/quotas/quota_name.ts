/** Kafka's names of the quotas. Plain data. */
export const quotaName = {
  produce: "producer_byte_rate",
  fetch: "consumer_byte_rate",
  request: "request_percentage",
  mutation: "controller_mutation_rate",
  connection: "connection_creation_rate",
} as const;

/**
 * Whether a connection may do something: the one place every handler asks. There is no authorizer yet, so everything is
 * allowed, as in Apache Kafka without `authorizer.class.name`. Runs on shards.
 *
 * Names and numbers are those of Kafka's AclOperation and ResourceType; which operations a kind of resource knows is from
 * AclEntry.supportedOperations (4.3).
 */
import type { ConnectionContext } from "./handler.ts";

/** Operations with their numbers, which are bits of the "authorized operations" of Metadata and DescribeCluster (KIP-430). */
const operations = {
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12,
  TWO_PHASE_COMMIT: 15,
} as const;

/** What is done. */
export type Operation = keyof typeof operations;

/** Kinds of resource. */
export type ResourceType = "TOPIC" | "GROUP" | "CLUSTER" | "TRANSACTIONAL_ID";

/** What it is done to. */
export interface Resource {
  readonly type: ResourceType;
  readonly name: string;
}

/** The cluster as a resource. */
export const CLUSTER: Resource = { type: "CLUSTER", name: "kafka-cluster" };

const operationsOf: { readonly [T in ResourceType]: readonly Operation[] } = {
  TOPIC: ["READ", "WRITE", "CREATE", "DESCRIBE", "DELETE", "ALTER", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"],
  GROUP: ["READ", "DESCRIBE", "DELETE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"],
  CLUSTER: ["CREATE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE", "ALTER", "DESCRIBE"],
  TRANSACTIONAL_ID: ["DESCRIBE", "WRITE", "TWO_PHASE_COMMIT"],
};

/** Says whether a connection may do something. */
export function authorize(_context: ConnectionContext, _operation: Operation, _resource: Resource): boolean {
  return true;
}

/** All that a connection may do to a resource, as the bit field that clients get. */
export function authorizedOperations(context: ConnectionContext, resource: Resource): number {
  let bits = 0;
  for (const operation of operationsOf[resource.type]) {
    if (authorize(context, operation, resource)) bits |= 1 << operations[operation];
  }
  return bits;
}

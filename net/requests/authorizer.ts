/**
 * Operations, resources, and the authorizer that decides what a principal may do. There is no authorizer yet, so everything is
 * allowed, as in Apache Kafka without `authorizer.class.name`. Runs on shards.
 *
 * Names and numbers are those of Kafka's AclOperation and ResourceType.
 */

/** Operations with their numbers, which are bit positions in the "authorized operations" of Metadata and DescribeCluster (KIP-430). */
export const operations = {
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

/** An operation on a resource. */
export type Operation = keyof typeof operations;

/** Kinds of resource. */
export type ResourceType = "TOPIC" | "GROUP" | "CLUSTER" | "TRANSACTIONAL_ID";

/** A resource of an operation. */
export interface Resource {
  readonly type: ResourceType;
  readonly name: string;
}

/** Decides what principals may do. */
export interface Authorizer {
  /** Whether a principal may do an operation. @param principal "User:name" */
  allows(principal: string, operation: Operation, resource: Resource): boolean;
}

/** The authorizer of a broker without one. */
export const allowsAll: Authorizer = { allows: () => true };

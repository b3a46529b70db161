/**
 * Checks whether a connection may do something. This is the only place that asks its authorizer. An API's row declares what its
 * requests need as a whole, and the router checks that; handlers check the resources that a request names. Runs on shards.
 *
 * Which operations a kind of resource knows is from Kafka's AclEntry.supportedOperations (4.3).
 */
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import { type Operation, operations, type Resource, type ResourceType } from "./authorizer.ts";
import type { ConnectionContext } from "./connection_context.ts";

/** The part of a connection that authorization reads. */
type Client = Pick<ConnectionContext, "authorizer" | "principal">;

/** What a client must be allowed to do before its request is handled. */
export interface Permission<Request, Response> {
  readonly operation: Operation;
  /** The resource of the operation. */
  readonly resourceOf: (request: Request) => Resource;
  /** The answer to a client without the permission. */
  readonly refuse: (request: Request, apiVersion: number) => Response;
}

/** The cluster as a resource. */
export const CLUSTER: Resource = { type: "CLUSTER", name: "kafka-cluster" };
/** What an answer with a message says to a client that lacks a permission on it. */
export const CLUSTER_REFUSAL = {
  errorCode: errorCode.CLUSTER_AUTHORIZATION_FAILED,
  errorMessage: errorMessage(errorCode.CLUSTER_AUTHORIZATION_FAILED),
} as const;

const operationsOf: { readonly [T in ResourceType]: readonly Operation[] } = {
  TOPIC: ["READ", "WRITE", "CREATE", "DESCRIBE", "DELETE", "ALTER", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"],
  GROUP: ["READ", "DESCRIBE", "DELETE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"],
  CLUSTER: ["CREATE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE", "ALTER", "DESCRIBE"],
  TRANSACTIONAL_ID: ["DESCRIBE", "WRITE", "TWO_PHASE_COMMIT"],
};

/** Whether a connection may do something. */
export function authorize({ authorizer, principal }: Client, operation: Operation, resource: Resource): boolean {
  return authorizer.allows(principal, operation, resource);
}

/** Splits what a request names into the allowed and the denied items. When all are allowed this is the list itself, which may be very long. */
export function splitAllowed<Item>(
  items: readonly Item[],
  isAllowed: (item: Item) => boolean,
): { allowed: readonly Item[]; denied: readonly Item[] } {
  const first = items.findIndex((item) => !isAllowed(item));
  if (first === -1) return { allowed: items, denied: [] };
  const allowed = items.slice(0, first);
  const denied = items.slice(first, first + 1);
  for (const item of items.slice(first + 1)) (isAllowed(item) ? allowed : denied).push(item);
  return { allowed, denied };
}

/** All operations that a connection may do on a resource, as the bit field of responses. */
export function authorizedOperations(client: Client, resource: Resource): number {
  let bits = 0;
  for (const operation of operationsOf[resource.type]) {
    if (authorize(client, operation, resource)) bits |= 1 << operations[operation];
  }
  return bits;
}

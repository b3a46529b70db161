/** Decides who may read or change configs: those of topics and groups by their resource, all others by the cluster. Runs on shards. */
import { resourceTypes } from "../../partitions/config/resource_types.ts";
import { authorize, CLUSTER } from "./authorization.ts";
import type { ConnectionContext } from "./connection_context.ts";

/** Why a client has no access. */
export type ConfigRefusal =
  | "TOPIC_AUTHORIZATION_FAILED"
  | "GROUP_AUTHORIZATION_FAILED"
  | "CLUSTER_AUTHORIZATION_FAILED";

/** Whether a client may read or change the configs of a resource. @returns null when it may */
export function refuseConfigAccess(
  context: ConnectionContext,
  operation: "DESCRIBE_CONFIGS" | "ALTER_CONFIGS",
  { resourceType, resourceName: name }: { readonly resourceType: number; readonly resourceName: string },
): ConfigRefusal | null {
  switch (resourceType) {
    case resourceTypes.topic:
      return authorize(context, operation, { type: "TOPIC", name }) ? null : "TOPIC_AUTHORIZATION_FAILED";
    case resourceTypes.group:
      return authorize(context, operation, { type: "GROUP", name }) ? null : "GROUP_AUTHORIZATION_FAILED";
    default:
      return authorize(context, operation, CLUSTER) ? null : "CLUSTER_AUTHORIZATION_FAILED";
  }
}

/** Whom the control plane charges for a change of topics. Runs on shards. */
import type { ControlCalls } from "../../../partitions/mod.ts";
import type { ConnectionContext } from "../connection_context.ts";

/**
 * The client of a request; undefined for another broker, which is not charged.
 * @param strictVersionMin the first version whose topics are refused above the quota
 */
export function mutationClient(
  { context, apiVersion }: { readonly context: ConnectionContext; readonly apiVersion: number },
  strictVersionMin: number,
): ControlCalls["createTopics"]["args"]["client"] {
  const { principal, clientId, brokerId } = context;
  return brokerId === null ? { principal, clientId, isStrict: apiVersion >= strictVersionMin } : undefined;
}

/**
 * Forgets a broker of a cluster that has left for good: deletes the rows that it has registered with. Main isolate.
 *
 * Always: both rows are compared, so a process that registers meanwhile, or is unfenced, is not forgotten.
 *
 * Should the broker come back, it is registered anew. As nobody knows how its last process ended, its logs count as after a crash where their
 * rows name its log directories (cluster/repairs.ts).
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { registrationKey, stateKey } from "../../cluster/cluster_rows.ts";
import { refuseUnregistration } from "../changes/unregistration.ts";
import { ABSENT } from "../store/store.ts";
import type { CreationRefusal } from "../topic_creation.ts";
import type { SharedBrokers } from "./shared_brokers.ts";
import { ARRIVES_LATE, type SharedCommits } from "./shared_commits.ts";

/** How often it is tried anew, because the broker's rows have changed. */
const TRIES_MAX = 8;

const ALWAYS_CHANGES: CreationRefusal = {
  errorCode: errorCode.REQUEST_TIMED_OUT,
  errorMessage: "The broker's registration changes all the time; it stays.",
};

/** Forgets a broker. @returns why it was not done; null when this broker's shards know it, too */
export async function unregisterShared(
  broker: number,
  { brokers, commits }: { brokers: SharedBrokers; commits: SharedCommits },
): Promise<CreationRefusal | null> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const image = brokers.images().find(({ nodeId }) => nodeId === broker);
    const refusal = refuseUnregistration(broker, image);
    if (refusal !== null) return refusal;
    const [registration, state] = [registrationKey(broker), stateKey(broker)];
    const transaction = {
      compare: [
        { key: registration, version: image?.brokerEpoch ?? ABSENT },
        { key: state, version: image?.stateVersion ?? ABSENT },
      ],
      delete: [registration, state],
    };
    const result = await commits.commit(transaction);
    if (result.outcome === "committed") return await commits.applied(result.version) ? null : ARRIVES_LATE;
    if (result.outcome === "refused") return result.refusal;
    if (!await commits.caughtUp(transaction, result.keys)) return ARRIVES_LATE;
  }
  return ALWAYS_CHANGES;
}

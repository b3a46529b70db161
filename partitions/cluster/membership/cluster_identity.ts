/**
 * Which cluster a broker joins: the row that the first broker writes, and what log directories say. Main isolate.
 *
 * Always: a directory of one cluster never serves another one. A new directory gets its cluster id from the row, so brokers that start
 * together agree on one. Only a broker with new directories writes the row: one whose directories have a cluster looks for it in the wrong
 * place, and all its logs would be strangers in a cluster that has just begun.
 */
import { randomUuid } from "../../../storage/base/uuid.ts";
import { ABSENT, MetadataRefusedError, type MetadataStore } from "../../metadata/store/store.ts";
import {
  CLUSTER,
  CLUSTER_FORMAT,
  type ClusterRow,
  clusterRowOf,
  IMPORT,
  importRowOf,
  rewritten,
} from "../cluster_rows.ts";
import { definiteOutcome } from "./definite_outcome.ts";
import { MembershipError } from "./membership_error.ts";
import { type MembershipTime, systemTime } from "./membership_time.ts";

/** What a broker brings along. */
export interface ClusterClaim {
  /** Cluster id in its log directories; null where they are new. */
  readonly clusterId: string | null;
  /** Id of a new cluster; null for a random one. */
  readonly newClusterId?: string | null;
  /** `barnabas.inter.broker.secret`; null for a random one, if this is the first broker. */
  readonly secret: string | null;
}

const SECRET_BYTES = 32;
/** How often a row is tried to be written that another broker may write meanwhile. */
const ATTEMPTS_MAX = 5;

/**
 * Reads the cluster's row, and writes it where there is none.
 * @throws MembershipError when the directories belong to another cluster, or the cluster to another version
 * @throws MetadataStoreError when the store does not answer
 */
export async function establishCluster(
  store: Pick<MetadataStore, "get" | "transact" | "resolve">,
  claim: ClusterClaim,
  time: MembershipTime = systemTime,
): Promise<ClusterRow> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const entry = await store.get(CLUSTER);
    if (entry !== null) return joinable(clusterRowOf(entry), claim);
    if (claim.clusterId !== null) {
      throw new MembershipError(
        `The log directories belong to cluster ${claim.clusterId}, but the metadata store has no cluster at this place; ` +
          "name the etcd and the prefix (barnabas.etcd.prefix) of the directories' cluster, or choose empty directories (--data). " +
          "Directories of Apache Kafka are started once without etcd before",
      );
    }
    const row: ClusterRow = {
      clusterId: claim.newClusterId ?? randomUuid(),
      secret: claim.secret ?? randomSecret(),
      format: CLUSTER_FORMAT,
    };
    const first = {
      // Another broker may be bringing its topics along (metadata/shared/single_node_import.ts).
      compare: [{ key: CLUSTER, version: ABSENT }, { key: IMPORT, version: ABSENT }],
      set: [{ key: CLUSTER, value: rewritten(null, row) }],
    };
    const { outcome } = await definiteOutcome(first, { store, time, isClosed: () => false });
    if (outcome === "committed") return row;
    const importing = await store.get(IMPORT);
    if (importing === null || importRowOf(importing).isDone) continue;
    throw new MembershipError(
      `Broker ${
        importRowOf(importing).nodeId
      } is bringing its topics into this cluster; start it again if it has ended, and this ` +
        "broker afterwards",
    );
  }
  throw new MetadataRefusedError("The metadata store does not take the cluster's id");
}

function joinable(row: ClusterRow, { clusterId, newClusterId = null }: ClusterClaim): ClusterRow {
  if (row.format > CLUSTER_FORMAT) {
    throw new MembershipError(
      `The cluster ${row.clusterId} has metadata of format ${row.format}, and this version knows ${CLUSTER_FORMAT}; ` +
        "start the version that its other brokers have",
    );
  }
  if (clusterId !== null && clusterId !== row.clusterId) {
    throw new MembershipError(
      `The log directories belong to cluster ${clusterId}, but the metadata store has cluster ${row.clusterId}; ` +
        "name the etcd and the prefix of the directories' cluster, or choose empty directories (--data)",
    );
  }
  if (clusterId === null && newClusterId !== null && newClusterId !== row.clusterId) {
    throw new MembershipError(
      `barnabas.cluster.id is ${newClusterId}, but the metadata store has cluster ${row.clusterId}; leave the setting out, or ` +
        "name the etcd and the prefix of that cluster",
    );
  }
  return row;
}

/** A new secret. */
export function randomSecret(): string {
  return crypto.getRandomValues(new Uint8Array(SECRET_BYTES)).toHex();
}

/**
 * The user names of brokers: `broker-<node id>`. All have the same password, the secret of the cluster, so each broker of the cluster is
 * trusted to say which one it is. Pure; main isolate and shards.
 */

const USER_NAME = /^broker-(0|[1-9][0-9]{0,9})$/;
const NODE_ID_MAX = 0x7fff_ffff;

/** The user name of a broker. */
export function brokerUserName(nodeId: number): string {
  return `broker-${nodeId}`;
}

/** The broker of a user name; null when it is no broker's. */
export function brokerOfUserName(userName: string): number | null {
  const nodeId = Number(USER_NAME.exec(userName)?.[1] ?? NaN);
  return nodeId <= NODE_ID_MAX ? nodeId : null;
}

// deno-lint-ignore-file no-console -- a program of a test prints
/**
 * A process that runs a managed etcd, as a broker does, until it is killed: prints its endpoint. Arguments: the log directory.
 */
import { ManagedEtcd } from "../../../partitions/metadata/etcd/managed/managed_etcd.ts";

const [directory = ""] = Deno.args;
const etcd = await ManagedEtcd.start({ directory, ports: { clientPort: 0, peerPort: 0 }, warn: console.error });
console.log(`${etcd.pid} ${etcd.endpoint}`);

/**
 * What later starts have to know of the etcd that the broker has started: its ports, and the id of its cluster. Main isolate.
 *
 * ```
 *   <first log directory>/barnabas-etcd/     no partition's directory has such a name
 *     member.json                            {"version":0,"clientPort":…,"peerPort":…,"clusterId":"…"}
 *     data/                                  etcd's own files; never removed by the broker
 *     etcd.log, etcd.log.old                 what etcd says
 * ```
 */
import { replaceFileAsync } from "../../../../storage/control.ts";
import { MetadataStoreError } from "../../store/store.ts";
import type { EtcdPorts } from "./etcd_command.ts";

/** Name of the directory in a log directory. Apache Kafka refuses a log directory that has it. */
export const MANAGED_DIRECTORY = "barnabas-etcd";

/** What the file says. */
export interface Member extends EtcdPorts {
  /** As etcd writes it. */
  readonly clusterId: string;
}

/** Reads the file. @param directory with the file @returns null where there is none @throws MetadataStoreError when it is damaged */
export async function readMember(directory: string): Promise<Member | null> {
  const path = `${directory}/member.json`;
  try {
    const { version, clientPort, peerPort, clusterId } = JSON.parse(await Deno.readTextFile(path)) ?? {};
    if (version === 0 && isPort(clientPort) && isPort(peerPort) && typeof clusterId === "string") {
      return { clientPort, peerPort, clusterId };
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new MetadataStoreError(`Cannot use ${path}: it is damaged; remove it, and the ports are chosen anew`);
}

/** Writes the file. Settles when it is durable. @throws the runtime's errors when the disk refuses */
export async function writeMember(directory: string, { clientPort, peerPort, clusterId }: Member): Promise<void> {
  const text = JSON.stringify({ version: 0, clientPort, peerPort, clusterId });
  await replaceFileAsync(`${directory}/member.json`, `${text}\n`);
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) < 0x1_0000;
}

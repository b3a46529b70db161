/**
 * The program etcd: whether it is installed and may be used, and its flags. Main isolate.
 * Source: etcd's documentation of its configuration flags; tried with 3.4.23 and 3.6.14.
 */
import { MetadataStoreError } from "../../store/store.ts";
import { refusedVersion } from "../etcd_version.ts";

/** Where an etcd listens, on 127.0.0.1. */
export interface EtcdPorts {
  readonly clientPort: number;
  readonly peerPort: number;
}

/** Its name in the cluster of which it is the only member. */
const MEMBER = "barnabas";
/** How long `--version` may take. */
const VERSION_MS = 10_000;
/** Metadata of 10,000 partitions are 3 MB; the rest is room for the history between two compactions. */
const QUOTA_BYTES = 512 * 1024 * 1024;

/**
 * Checks that the program can be used.
 * @param command its name on PATH, or its path
 * @throws MetadataStoreError when it is not installed, or a version that the store refuses
 */
export async function checkInstalled(command: string): Promise<void> {
  const version = await installedVersion(command);
  const refusal = refusedVersion(version);
  if (refusal !== null) throw new MetadataStoreError(`Cannot start ${command}: ${refusal}`);
}

async function installedVersion(command: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(VERSION_MS);
    const { stdout } = await new Deno.Command(command, { args: ["--version"], ...cleanEnvironment(), signal }).output();
    const text = new TextDecoder().decode(stdout);
    return /^etcd Version: (\S+)/m.exec(text)?.[1] ?? text.trim();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw new MetadataStoreError(
        `Cannot start etcd: there is no program ${command}. Install it (apt install etcd-server, or a release of etcd: 3.4 or later, ` +
          "but not 3.5.0 to 3.5.2), or name an etcd that runs already: --etcd http://127.0.0.1:2379",
        { cause },
      );
    }
    throw new MetadataStoreError(`Cannot start ${command}: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}

/** Nothing but PATH: etcd takes each flag from a variable `ETCD_*`, too. */
export function cleanEnvironment(): Pick<Deno.CommandOptions, "clearEnv" | "env"> {
  return { clearEnv: true, env: { PATH: Deno.env.get("PATH") ?? "" } };
}

/** The flag that names the data directory: by it a process is found again. */
export function dataDirectoryFlag(path: string): string {
  return `--data-dir=${path}`;
}

/**
 * The flags of the only member.
 * @param token goes into the cluster id when the data directory is empty, and is ignored later; without it every new cluster at these
 * ports would have the same id
 */
export function memberFlags(dataDirectory: string, { clientPort, peerPort }: EtcdPorts, token: string): string[] {
  const [client, peer] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`];
  const flags = {
    "name": MEMBER,
    "listen-client-urls": client,
    "advertise-client-urls": client,
    "listen-peer-urls": peer,
    "initial-advertise-peer-urls": peer,
    "initial-cluster": `${MEMBER}=${peer}`,
    "initial-cluster-token": token,
    "initial-cluster-state": "new",
    "heartbeat-interval": 50,
    "election-timeout": 500,
    "pre-vote": true,
    "max-txn-ops": 4096,
    "auto-compaction-mode": "periodic",
    "auto-compaction-retention": "10m",
    "quota-backend-bytes": QUOTA_BYTES,
    "logger": "zap",
    "log-level": "warn",
  };
  return [dataDirectoryFlag(dataDirectory), ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)];
}

/** The ports in the words of a running process, or null when they are not there. */
export function portsIn(words: readonly string[]): EtcdPorts | null {
  const portOf = (flag: string) => {
    const start = `--${flag}=http://127.0.0.1:`;
    return Number(words.find((word) => word.startsWith(start))?.slice(start.length) ?? NaN);
  };
  const ports = { clientPort: portOf("listen-client-urls"), peerPort: portOf("listen-peer-urls") };
  return Number.isInteger(ports.clientPort) && Number.isInteger(ports.peerPort) ? ports : null;
}

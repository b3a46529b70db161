/**
 * `barnabas-etcd-position`: which etcd has the metadata of a log directory's broker, and how far the broker has seen it. Main isolate.
 *
 *   version=0 · cluster=<cluster id of etcd> · revision=<highest revision seen>        a line each
 *
 * Each log directory has the file. It is written at the start, before the broker changes anything in etcd; then every
 * `POSITION_INTERVAL_MS`, if the position has moved; and at a clean stop. So the next start refuses an etcd that was restored from a
 * backup, and a new one at the old address (etcd_position.ts).
 *
 * Always: the file may be older than what the broker had seen, never ahead of it. So what a backup lacks is not noticed when the broker
 * was killed within the interval in which it happened, or when etcd has passed the revision again before the broker starts.
 *
 * Not done: `--accept-metadata-restore`. After a restore every leader epoch would have to become greater than any that was given out since
 * the backup, and the brokers would have to register anew; so the etcd has to be brought back instead.
 */
import { replaceFileAsync } from "../../../storage/control.ts";
import { ETCD_POSITION_FILE } from "../../directory/log_directory.ts";
import { MetadataStoreError } from "../store/store.ts";
import type { EtcdMemory } from "./etcd_position.ts";

/** How often the file is written while the position moves, in milliseconds. */
export const POSITION_INTERVAL_MS = 10_000;

const CONTENT = /^version=0\ncluster=([\w-]{1,64})\nrevision=(\d{1,16})\n$/;

/**
 * What the log directories of a broker remember of its etcd: the latest of their positions.
 * @param logDirectories paths of those that are online
 * @returns for `EtcdStoreOptions.memory`; null when none has the file
 * @throws MetadataStoreError when a file is damaged, or two are of different etcds
 */
export async function loadEtcdPosition(logDirectories: readonly string[]): Promise<EtcdMemory | null> {
  let latest: EtcdMemory & { readonly directory: string } | null = null;
  for (const directory of logDirectories) {
    const found = await read(directory);
    if (found === null) continue;
    if (latest !== null && found.clusterId !== latest.clusterId) {
      throw new MetadataStoreError(
        `Log directories ${latest.directory} and ${directory} belong to different etcds (cluster ids ${latest.clusterId} and ` +
          `${found.clusterId}): a broker uses one; take one of the two out of log.dirs`,
      );
    }
    if (latest === null || found.revision > latest.revision) latest = { ...found, directory };
  }
  return latest === null ? null : { clusterId: latest.clusterId, revision: latest.revision };
}

/**
 * Writes the file into log directories. Settles when it is durable in all of them.
 * @param memory `EtcdStore.memory`
 * @throws MetadataStoreError when a disk refuses
 */
export async function saveEtcdPosition(logDirectories: readonly string[], memory: EtcdMemory): Promise<void> {
  for (const directory of logDirectories) {
    const path = `${directory}/${ETCD_POSITION_FILE}`;
    try {
      await replaceFileAsync(path, encodeEtcdPosition(memory));
    } catch (cause) {
      throw new MetadataStoreError(`Cannot write ${path}: ${messageOf(cause)}`, { cause });
    }
  }
}

/** The file's text. */
export function encodeEtcdPosition({ clusterId, revision }: EtcdMemory): string {
  return `version=0\ncluster=${clusterId}\nrevision=${revision}\n`;
}

async function read(directory: string): Promise<EtcdMemory | null> {
  const path = `${directory}/${ETCD_POSITION_FILE}`;
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw new MetadataStoreError(`Cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
  const match = CONTENT.exec(text);
  const revision = Number(match?.[2]);
  if (match !== null && Number.isSafeInteger(revision)) return { clusterId: match[1] as string, revision };
  throw new MetadataStoreError(
    `Cannot use ${path}: it is damaged. It says how far this broker has seen its etcd: copy it from another log directory, or remove it ` +
      "if that etcd was never restored from a backup",
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

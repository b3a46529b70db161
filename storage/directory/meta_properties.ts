/**
 * `meta.properties`: which cluster and node a log directory belongs to. Runs on the isolate that starts the broker.
 *
 *   "#\n" · lines key=value in any order: version=1, cluster.id, node.id, directory.id   (Kafka adds a "#" date)
 *
 * It is a Java properties file: "\" escapes, "=" or ":" or blanks separate, "#" and "!" begin comments.
 * Source: Kafka's MetaProperties, MetaPropertiesEnsemble and PropertiesUtils; java.util.Properties.load.
 */
import { readText, replaceFile } from "./atomic_file.ts";
import { wholeNumber } from "./checkpoint_format.ts";
import type { FileSystem } from "../sys/file_system.ts";
import { isReservedUuid, parseUuid } from "../base/uuid.ts";

const FILE_NAME = "meta.properties";
const VERSION = 1;
const INT32_MAX = 0x7fff_ffff;

/** Which cluster and node a log directory belongs to. */
export interface MetaProperties {
  readonly clusterId: string;
  readonly nodeId: number;
  /** Id of the directory itself; null where a broker before 3.7 wrote the file. */
  readonly directoryId: string | null;
}

/**
 * Reads the file.
 * @returns what it says; null where there is none; a sentence when it is damaged or of another version
 * @throws the runtime's errors when the disk refuses
 */
export function readMetaProperties(fs: FileSystem, logDirectory: string): MetaProperties | string | null {
  const text = readText(fs, `${logDirectory}/${FILE_NAME}`);
  return text === null ? null : parseMetaProperties(text);
}

/** Writes the file, durably. @throws as `replaceFile()` does */
export function writeMetaProperties(fs: FileSystem, logDirectory: string, meta: MetaProperties): void {
  const { clusterId, nodeId, directoryId } = meta;
  const directoryLine = directoryId === null ? "" : `directory.id=${directoryId}\n`;
  const content = `cluster.id=${escape(clusterId)}\n${directoryLine}node.id=${nodeId}\nversion=${VERSION}\n`;
  replaceFile(fs, `${logDirectory}/${FILE_NAME}`, `#\n${content}`);
}

const escapes: Readonly<Record<string, string>> = { "\t": "t", "\n": "n", "\r": "r", "\f": "f" };
const characters: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

function escape(value: string): string {
  return value.replace(/[\\=:#!\t\n\r\f]/g, (character) => `\\${escapes[character] ?? character}`).replace(/^ /, "\\ ");
}

function parseMetaProperties(text: string): MetaProperties | string {
  const properties = parseProperties(text);
  const version = properties.get("version");
  if (version !== String(VERSION)) {
    return `its version is ${version ?? "missing"}: only ${VERSION} is served, which Kafka writes since 2.8 (KRaft)`;
  }
  const clusterId = properties.get("cluster.id");
  if (!clusterId) return "cluster.id is missing";
  const nodeId = wholeNumber(properties.get("node.id") ?? "");
  if (nodeId < 0 || nodeId > INT32_MAX) return "node.id is missing or no number";
  const directoryText = properties.get("directory.id");
  const directoryId = directoryText === undefined ? null : parseUuid(directoryText);
  if (directoryText !== undefined && (directoryId === null || isReservedUuid(directoryId))) {
    return "directory.id is no id";
  }
  return { clusterId, nodeId, directoryId };
}

/** Java properties, except for lines that continue on the next one: no writer of this file makes them. */
function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const line of text.split(/\r\n|\r|\n/)) {
    const match = /^[ \t\f]*((?:[^\\=: \t\f]|\\.)+)[ \t\f]*[=:]?[ \t\f]*(.*)$/.exec(line);
    if (match === null || /^[ \t\f]*[#!]/.test(line)) continue;
    properties.set(unescape(match[1]!), unescape(match[2]!));
  }
  return properties;
}

function unescape(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\(.)/g, (_, code?: string, character?: string) => {
    if (code !== undefined) return String.fromCharCode(parseInt(code, 16));
    return characters[character!] ?? character!;
  });
}

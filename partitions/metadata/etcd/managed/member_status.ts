/**
 * Whether an etcd that the broker has started serves. Main isolate.
 */
import { refusedVersion } from "../etcd_version.ts";
import { MetadataStoreError } from "../../store/store.ts";

/** How long one answer may take. */
const ANSWER_MS = 1000;

interface Status {
  readonly header?: { readonly cluster_id?: string };
  readonly version?: string;
  /** Absent or "0" while there is none. */
  readonly leader?: string;
}

/**
 * Asks an etcd for the id of its cluster.
 * @param leftMs when there is less time than an answer may take
 * @returns null when it does not answer, or has no leader
 * @throws MetadataStoreError when it is a version that the store refuses
 */
export async function answeredClusterId(endpoint: string, leftMs: number): Promise<string | null> {
  const signal = AbortSignal.timeout(Math.min(ANSWER_MS, leftMs));
  let status: Status;
  try {
    // A connection of its own: nothing stays open.
    const headers = { Connection: "close" };
    const response = await fetch(`${endpoint}/v3/maintenance/status`, { method: "POST", body: "{}", headers, signal });
    status = await response.json();
  } catch (error) {
    // It does not listen yet, is stopped or frozen, or does not speak JSON.
    if (error instanceof TypeError || error instanceof DOMException || error instanceof SyntaxError) return null;
    throw error;
  }
  const { header, version = "", leader = "0" } = status;
  if (leader === "0" || header?.cluster_id === undefined) return null;
  const refusal = refusedVersion(version);
  if (refusal !== null) throw new MetadataStoreError(`Cannot use the etcd at ${endpoint}: ${refusal}`);
  return header.cluster_id;
}

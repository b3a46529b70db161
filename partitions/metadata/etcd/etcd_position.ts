/**
 * Which etcd the store speaks with, and how far it has seen it. Pure; the main isolate runs it.
 *
 * Always: an etcd of another cluster id, and one whose revision went back, are never used. Revisions go back when a backup is restored:
 * versions would then be used twice, and a comparison could hold by accident. Only an answer that went through etcd's log (a transaction
 * that writes) proves it: reads of some versions may be older than what was seen (etcd-io/etcd issue 20418). Members that were started
 * anew at the same addresses may have the same cluster id, because etcd makes it from them; then only the revision tells.
 */
import { MetadataStoreError } from "../store/store.ts";
import { GatewayFailure } from "./gateway_failure.ts";
import { type AnswerHeader, revisionOf } from "./gateway_messages.ts";

/** What a broker remembers of its etcd from one start to the next. */
export interface EtcdMemory {
  /** etcd's cluster id, as it writes it. */
  readonly clusterId: string;
  /** The highest revision seen. */
  readonly revision: number;
}

/** The etcd of one store. */
export class EtcdPosition {
  #clusterId: string | null;
  #revision: number;

  /** @param memory of an earlier start; null at the first one */
  constructor(memory: EtcdMemory | null) {
    this.#clusterId = memory?.clusterId ?? null;
    this.#revision = memory?.revision ?? 0;
  }

  /** The highest revision seen. */
  get revision(): number {
    return this.#revision;
  }

  /** What to remember. @throws MetadataStoreError before etcd has answered */
  get memory(): EtcdMemory {
    if (this.#clusterId === null) throw new MetadataStoreError("No etcd has answered yet");
    return { clusterId: this.#clusterId, revision: this.#revision };
  }

  /**
   * Notes the header of an answer.
   * @param endpoint that answered
   * @returns the header's revision
   * @throws MetadataStoreError when the answer is another cluster's @throws GatewayFailure when it is no answer of an etcd
   */
  note(header: AnswerHeader | undefined, endpoint: string): number {
    const { cluster_id: clusterId } = header ?? {};
    if (typeof clusterId !== "string" || clusterId === "") {
      throw new GatewayFailure("unknown", "it answers without a cluster id; is it an etcd?");
    }
    this.#clusterId ??= clusterId;
    if (clusterId !== this.#clusterId) {
      throw new MetadataStoreError(
        `The etcd at ${endpoint} is another cluster (id ${clusterId}) than the one with this broker's metadata ` +
          `(id ${this.#clusterId}); name the endpoints of that one`,
      );
    }
    const revision = revisionOf(header?.revision);
    if (revision > this.#revision) this.#revision = revision;
    return revision;
  }

  /**
   * Checks an answer that went through etcd's log.
   * @param seenBefore `revision` when the request was sent
   * @throws MetadataStoreError when etcd's revision went back
   */
  refuseRestored(revision: number, seenBefore: number): void {
    if (revision >= seenBefore) return;
    throw new MetadataStoreError(
      `etcd was restored from a backup, or begun anew: its revision is ${revision}, and this broker has seen ${seenBefore}. ` +
        `Changes of metadata are lost, and epochs would be given out twice; bring etcd back with revision ${seenBefore} or a later one`,
    );
  }
}

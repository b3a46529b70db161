/**
 * What clients of a replicated topic have seen, and what its replicas hold in the end: the evidence of `history_check.ts`. Plain data; a test
 * fills it while faults are injected.
 *
 * Every record has a value of its own, `PRODUCER-PARTITION-NUMBER`; the numbers of a producer grow in each partition.
 */

/** A record that a broker has acknowledged. */
export interface Acknowledgement {
  readonly partition: number;
  readonly value: string;
  /** -1 when the broker no longer knew the offset: the answer to a record that it has already. */
  readonly offset: number;
  /** `performance.now()` of the test. */
  readonly atMs: number;
}

/** A record that a consumer has received. */
export interface Read {
  readonly consumer: string;
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
}

/** A high watermark that the leader of an epoch has answered, in the order of the answers to one consumer. */
export interface SeenWatermark {
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly highWatermark: number;
}

/** Who leads a partition, as a broker has said. */
export interface SeenLeader {
  readonly broker: number;
  readonly partition: number;
  /** -1: nobody. */
  readonly leader: number;
  readonly leaderEpoch: number;
  /** Over which connection. */
  readonly connection: number;
  readonly atMs: number;
}

/** A batch of a replica's log. */
export interface ReplicaBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  /** The batch as it is stored. */
  readonly bytes: Uint8Array;
  /** The values of its records, the first one at the base offset. */
  readonly values: readonly string[];
}

/** A replica's log after the end. */
export interface ReplicaLog {
  readonly broker: number;
  readonly partition: number;
  readonly batches: readonly ReplicaBatch[];
  /** Of its checkpoint. */
  readonly highWatermark: number;
  /** Damage that was found while it was read: a wrong checksum, bytes behind the last batch. */
  readonly damage: readonly string[];
}

/** Everything that was seen. */
export class History {
  readonly acknowledged: Acknowledgement[] = [];
  readonly reads: Read[] = [];
  readonly watermarks: SeenWatermark[] = [];
  readonly leaders: SeenLeader[] = [];
  /** What a client must not have met: a fetch that was out of range, a producer that was told of a gap. */
  readonly oddities: string[] = [];

  /** Notes an acknowledgement, now. */
  acknowledge(partition: number, offset: number, value: string): void {
    this.acknowledged.push({ partition, offset, value, atMs: performance.now() });
  }
}

/**
 * The rules that a history of a replicated topic has to keep (history.ts). Each names what broke it. Pure.
 *
 * Source: the invariants of partitions/replication (ARCHITECTURE.md, "Invariants"); Jepsen's checks of Kafka for lost and unseen writes.
 */
import { Buffer } from "node:buffer";
import type { History, ReplicaBatch, ReplicaLog, SeenLeader } from "./history.ts";

/** The producer whose records nobody waits for: they may be lost, and those of several connections overtake each other (noise.ts). */
export const NOISE = "noise";

/** Most findings of a rule that are worth reading. */
const FINDINGS_MAX = 10;

/** What is judged. */
export type Evidence =
  & Pick<History, "acknowledged" | "reads" | "watermarks" | "leaders" | "oddities">
  & { readonly replicas: readonly ReplicaLog[] };

type Rule = (evidence: Evidence) => Iterable<string>;

/** Every rule by its name. */
export const rules: Readonly<Record<string, Rule>> = {
  "an acknowledged record is at its offset in every replica": lostRecords,
  "an offset has one value, in all replicas and for all consumers": ambiguousOffsets,
  "a consumer read what exists": vanishedReads,
  "a value exists once": doubledValues,
  "records of a producer keep their order": reorderedRecords,
  "logs of replicas are byte-equal below the high watermark": unequalLogs,
  "offsets of a log are dense, and its leader epochs never fall": brokenLogs,
  "a high watermark never falls in a leader epoch": fallenWatermarks,
  "a leader epoch has one leader, and does not fall at a broker": fallenEpochs,
  "files are sound": ({ replicas }) =>
    replicas.flatMap((log) => log.damage.map((damage) => `${nameOf(log)}: ${damage}`)),
  "no client met what it must not": ({ oddities }) => oddities,
};

/** Judges a history. @returns a line for each finding: the rule, and what broke it; none when all is well */
export function findingsOf(evidence: Evidence): string[] {
  return Object.entries(rules).flatMap(([name, rule]) => {
    const findings = [...rule(evidence)];
    const more = findings.length - FINDINGS_MAX;
    const shown = findings.slice(0, FINDINGS_MAX).map((finding) => `${name}: ${finding}`);
    return more > 0 ? [...shown, `${name}: ${more} more`] : shown;
  });
}

/** Records of acknowledgements that a replica does not have, or has elsewhere. */
export function* lostRecords({ acknowledged, replicas }: Evidence): Iterable<string> {
  for (const log of replicas) {
    const offsets = new Map<string, number>();
    for (const [offset, value] of recordsOf(log)) offsets.set(value, offset);
    const start = log.batches[0]?.baseOffset ?? 0;
    for (const { partition, value, offset } of acknowledged) {
      if (partition !== log.partition || offset !== -1 && offset < start) continue;
      const found = offsets.get(value);
      if (found === undefined) yield `${nameOf(log)} lacks ${value}, acknowledged at offset ${offset}`;
      else if (offset !== -1 && found !== offset) {
        yield `${nameOf(log)} has ${value} at offset ${found}, acknowledged at offset ${offset}`;
      }
    }
  }
}

function* ambiguousOffsets({ acknowledged, reads, replicas }: Evidence): Iterable<string> {
  const seen = new Map<string, { value: string; by: string }>();
  const note = function* (partition: number, offset: number, found: { value: string; by: string }): Iterable<string> {
    const key = `${partition}:${offset}`;
    const before = seen.get(key);
    if (before === undefined) seen.set(key, found);
    else if (before.value !== found.value) {
      const words = `${before.value} (${before.by}) and ${found.value} (${found.by})`;
      yield `partition ${partition} has at offset ${offset} ${words}`;
    }
  };
  for (const log of replicas) {
    for (const [offset, value] of recordsOf(log)) yield* note(log.partition, offset, { value, by: nameOf(log) });
  }
  for (const { partition, offset, value, consumer } of reads) {
    yield* note(partition, offset, { value, by: consumer });
  }
  for (const { partition, offset, value } of acknowledged) {
    if (offset !== -1) yield* note(partition, offset, { value, by: "acknowledgement" });
  }
}

/** Records that were read, but are in no log: they were shown before they were committed. */
function* vanishedReads({ reads, replicas }: Evidence): Iterable<string> {
  const ends = new Map<number, number>();
  for (const { partition, batches } of replicas) {
    ends.set(partition, Math.max(ends.get(partition) ?? 0, (batches.at(-1)?.lastOffset ?? -1) + 1));
  }
  for (const { consumer, partition, offset, value } of reads) {
    const end = ends.get(partition) ?? 0;
    if (offset >= end) {
      yield `${consumer} has read ${value} at offset ${offset} of partition ${partition}, which ends at ${end}`;
    }
  }
}

function* doubledValues({ replicas, reads }: Evidence): Iterable<string> {
  for (const log of replicas) {
    const seen = new Map<string, number>();
    for (const [offset, value] of recordsOf(log)) {
      const before = seen.get(value);
      if (before !== undefined) yield `${nameOf(log)} has ${value} at offsets ${before} and ${offset}`;
      seen.set(value, offset);
    }
  }
  const read = new Map<string, number>();
  for (const { consumer, partition, offset, value } of reads) {
    const key = `${consumer} ${value}`;
    const before = read.get(key);
    if (before !== undefined) {
      yield `${consumer} has read ${value} of partition ${partition} at ${before} and ${offset}`;
    }
    read.set(key, offset);
  }
}

function* reorderedRecords({ replicas }: Evidence): Iterable<string> {
  for (const log of replicas) {
    const last = new Map<string, number>();
    for (const [offset, value] of recordsOf(log)) {
      const [, producer, number] = /^(.*)-(\d+)$/.exec(value) ?? [];
      if (producer === undefined) {
        yield `${nameOf(log)} has at offset ${offset} what nobody has written: ${value}`;
        continue;
      }
      if (producer.startsWith(`${NOISE}-`)) continue;
      const before = last.get(producer) ?? -1;
      if (Number(number) <= before) {
        yield `${nameOf(log)} has ${value} at offset ${offset}, behind ${producer}-${before}`;
      }
      last.set(producer, Number(number));
    }
  }
}

function* unequalLogs({ replicas }: Evidence): Iterable<string> {
  for (const logs of Map.groupBy(replicas, ({ partition }) => partition).values()) {
    const [first, ...others] = logs as [ReplicaLog, ...ReplicaLog[]];
    for (const other of others) {
      const end = Math.min(first.highWatermark, other.highWatermark);
      const start = Math.max(first.batches[0]?.baseOffset ?? 0, other.batches[0]?.baseOffset ?? 0);
      yield* differences(first, other, { start, end });
    }
  }
}

/** The first difference of two logs in a range of offsets. */
function* differences(one: ReplicaLog, other: ReplicaLog, range: { start: number; end: number }): Iterable<string> {
  const within = ({ baseOffset }: ReplicaBatch) => baseOffset >= range.start && baseOffset < range.end;
  const [ours, theirs] = [one.batches.filter(within), other.batches.filter(within)];
  for (let at = 0; at < Math.max(ours.length, theirs.length); at++) {
    const [a, b] = [ours[at], theirs[at]];
    if (a !== undefined && b !== undefined && isEqual(a.bytes, b.bytes)) continue;
    const words = [a, b].map((batch) =>
      batch === undefined ? "nothing" : `offsets ${batch.baseOffset}-${batch.lastOffset} of epoch ${batch.leaderEpoch}`
    );
    yield `${nameOf(one)} has ${words[0]} where ${nameOf(other)} has ${words[1]} (high watermark ${range.end})`;
    return;
  }
}

function* brokenLogs({ replicas }: Evidence): Iterable<string> {
  for (const log of replicas) {
    for (const [at, batch] of log.batches.entries()) {
      const before = log.batches[at - 1];
      if (before === undefined) continue;
      if (batch.baseOffset !== before.lastOffset + 1) {
        yield `${nameOf(log)}: offset ${before.lastOffset} is followed by ${batch.baseOffset}`;
      }
      if (batch.leaderEpoch < before.leaderEpoch) {
        yield `${nameOf(log)}: epoch ${batch.leaderEpoch} at offset ${batch.baseOffset} follows ${before.leaderEpoch}`;
      }
    }
    const end = (log.batches.at(-1)?.lastOffset ?? -1) + 1;
    if (log.highWatermark > end) {
      yield `${nameOf(log)}: high watermark ${log.highWatermark} of a log that ends at ${end}`;
    }
  }
}

function* fallenWatermarks({ watermarks }: Evidence): Iterable<string> {
  const highest = new Map<string, number>();
  for (const { partition, leaderEpoch, highWatermark } of watermarks) {
    const key = `partition ${partition} in epoch ${leaderEpoch}`;
    const before = highest.get(key) ?? 0;
    if (highWatermark < before) yield `${key}: from ${before} to ${highWatermark}`;
    highest.set(key, Math.max(before, highWatermark));
  }
}

/** A broker's shards hear of a leader one after the other, so for a moment one connection is told of an earlier leader than another. */
const SHARDS_DIFFER_MS = 2000;

function* fallenEpochs({ leaders }: Evidence): Iterable<string> {
  const latest = new Map<string, SeenLeader>();
  const leaderOf = new Map<string, number>();
  for (const seen of leaders) {
    const { broker, partition, leader, leaderEpoch, connection, atMs } = seen;
    const place = `broker ${broker}, partition ${partition}`;
    const ofConnection = `${place}, connection ${connection}`;
    for (const [of, patienceMs] of [[place, SHARDS_DIFFER_MS], [ofConnection, 0]] as const) {
      const before = latest.get(of);
      if (before === undefined || leaderEpoch > before.leaderEpoch) latest.set(of, seen);
      else if (leaderEpoch < before.leaderEpoch && atMs - before.atMs >= patienceMs) {
        yield `${of}: from ${before.leaderEpoch} to ${leaderEpoch}`;
      }
    }
    const epoch = `partition ${partition}, epoch ${leaderEpoch}`;
    const known = leaderOf.get(epoch);
    // -1 says that the leader is away, not that the epoch has another one.
    if (leader === -1) continue;
    if (known !== undefined && known !== leader) yield `${epoch}: brokers ${known} and ${leader} lead`;
    leaderOf.set(epoch, leader);
  }
}

function* recordsOf(log: ReplicaLog): Iterable<[offset: number, value: string]> {
  for (const { baseOffset, values } of log.batches) {
    for (const [index, value] of values.entries()) yield [baseOffset + index, value];
  }
}

function nameOf({ broker, partition }: ReplicaLog): string {
  return `broker ${broker}, partition ${partition}`;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

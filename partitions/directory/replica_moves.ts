/**
 * Moves partitions to other log directories of this broker (AlterReplicaLogDirs), one after the other. Main isolate.
 *
 *   asked for ─► copied, segment by segment, while it is written to ─► closed for a moment: the rest is copied
 *             ─► the store names the new directory ─► old directory renamed to …-delete, copy renamed from …-future ─► open again
 *
 * A crash leaves a partition in one of the two: until the store names the new directory the copy is removed by the next start; from then
 * on the old directory counts while it is there (found_directories.ts), and when it is not, the start completes the move
 * (log_directories.ts). While the partition is closed, requests get NOT_LEADER_OR_FOLLOWER, and clients retry.
 * Source: Kafka's ReplicaManager.alterReplicaLogDirs, ReplicaAlterLogDirsThread (which copies records through a fetcher).
 */
import { errorCode } from "../../net/protocol/error_codes.ts";
import {
  type FutureReplica,
  isHere,
  type MetadataImage,
  type PartitionImage,
  type TopicImage,
} from "../metadata/image.ts";
import { sentenceOfDisk } from "../metadata/changes/disk_refusals.ts";
import { ReplicaCopy } from "./replica_copy.ts";

/** Bytes of the active segment that are copied while the partition is closed; above it, the segment is closed first and copied before. */
const REST_BYTES_MAX = 16 * 1024 * 1024;
/** How often the active segment is closed to copy it: a partition may be written to faster than it is copied. */
const ROUNDS_MAX = 8;
/** A flush or a compaction keeps a partition from being closed: how often that is tried, and the time between. */
const TRIES_MAX = 100;
const RETRY_MS = 50;

/** Longest name of a directory that Linux file systems take. */
const NAME_CHARACTERS_MAX = 255;

/** A partition that a client wants in a directory. */
export interface MoveRequest {
  readonly topic: string;
  readonly partition: number;
  /** Path of the log directory. */
  readonly path: string;
}

/** A move that was accepted. */
export interface ReplicaMove {
  readonly topicId: string;
  readonly partition: number;
  /** Index of the log directory it goes to. */
  readonly to: number;
}

/** What the moves use. */
export interface ReplicaMovesParts {
  readonly image: MetadataImage;
  /** Paths of `log.dirs`, by index. */
  readonly paths: readonly string[];
  /** The same as `log.dirs` names them: a path may be relative, or a symbolic link. */
  readonly namedPaths: readonly string[];
  /** Makes the partition's shard close its active segment. */
  readonly roll: (place: PartitionImage) => Promise<unknown>;
  /** Tells every shard how far a copy is; null when there is none any more. */
  readonly announce: (move: ReplicaMove, future: FutureReplica | null) => Promise<void>;
  /** Closes the partition, finishes the copy, and opens it in its new directory. */
  readonly exchange: (move: ReplicaMove, copy: FutureCopy) => Promise<ExchangeOutcome>;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
  readonly inform: (text: string) => void;
}

/**
 * What became of the last step of a move: the partition cannot be closed now ("busy"), does not exist any more or is offline ("kept"), or is
 * offline because a disk refused when the store named the new directory already ("offline": the copy must stay).
 */
export type ExchangeOutcome = "moved" | "kept" | "busy" | "offline";

/** A copy that is nearly complete. */
export interface FutureCopy {
  /** Name of its directory. */
  readonly name: string;
  /** Copies what is left, durably; the log is closed. @throws Error of the runtime when a disk refuses */
  finish(): Promise<void>;
}

/** The moves of one broker. */
export class ReplicaMoves {
  readonly #parts: ReplicaMovesParts;
  /** The moves that were asked for, by topic id and partition. */
  readonly #wanted = new Map<string, ReplicaMove>();
  #running: Promise<void> | null = null;
  #isStopped = false;

  /** @param parts the broker's pieces */
  constructor(parts: ReplicaMovesParts) {
    this.#parts = parts;
  }

  /** Accepts or refuses moves. @returns an error code for each, in their order */
  request(moves: readonly MoveRequest[]): number[] {
    const codes = moves.map((move) => this.#accept(move));
    if (this.#wanted.size > 0) this.#running ??= this.#run().finally(() => this.#running = null);
    return codes;
  }

  /** Ends the copies; the next start removes what is left of them. Settles when nothing is written any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wanted.clear();
    await this.#running;
  }

  #accept({ topic: name, partition, path }: MoveRequest): number {
    const { image, paths, namedPaths } = this.#parts;
    const to = paths.includes(path) ? paths.indexOf(path) : namedPaths.indexOf(path);
    const topic = image.topic(name);
    const place = topic?.partitions[partition];
    if (futureName(name, partition).length > NAME_CHARACTERS_MAX) return errorCode.INVALID_TOPIC_EXCEPTION;
    if (to < 0) return errorCode.LOG_DIR_NOT_FOUND;
    if (image.isOffline(to)) return errorCode.KAFKA_STORAGE_ERROR;
    if (topic === undefined || place === undefined || !isHere(place)) return errorCode.REPLICA_NOT_AVAILABLE;
    if (place.directory < 0) return errorCode.KAFKA_STORAGE_ERROR;
    if (topic.isInternal) return errorCode.INVALID_TOPIC_EXCEPTION;
    const key = keyOf(topic.id, partition);
    // A request that is repeated must not begin the copy again. One for the place where the partition lies ends a move, or, when that is
    // being completed in this moment, brings the partition back.
    const next = this.#wanted.get(key)?.to ?? place.directory;
    if (next !== to) this.#wanted.set(key, { topicId: topic.id, partition, to });
    return errorCode.NONE;
  }

  async #run(): Promise<void> {
    for (let [next] = this.#wanted.values(); next !== undefined; [next] = this.#wanted.values()) {
      await this.#move(next);
      // A request for another directory, which came meanwhile, stays.
      if (this.#isWanted(next)) this.#wanted.delete(keyOf(next.topicId, next.partition));
    }
  }

  async #move(move: ReplicaMove): Promise<void> {
    const found = this.#find(move);
    if (found === null || found.place.directory === move.to) return;
    const { topic, place } = found;
    const name = `${topic.name}-${place.partition}`;
    const [from, to] = [this.#parts.paths[place.directory] ?? "", this.#parts.paths[move.to] ?? ""];
    const future = futureName(topic.name, place.partition);
    const copy = new ReplicaCopy(`${from}/${name}`, `${to}/${future}`);
    let outcome: ExchangeOutcome = "kept";
    try {
      if (await this.#copyWhileOpen(move, copy)) outcome = await this.#exchange(move, copy, future);
    } catch (error) {
      // The directory of a deleted topic is gone.
      if (this.#find(move) !== null) this.#parts.report(`Cannot move ${name} to ${to}: ${sentenceOfDisk(error)}`);
    }
    if (outcome === "busy" && this.#isWanted(move)) {
      this.#parts.report(`Cannot move ${name} to ${to}: it could not be closed for ${TRIES_MAX * RETRY_MS / 1000} s`);
    }
    if (outcome === "moved") this.#parts.inform(`Moved ${name} from ${from} to ${to}`);
    if (outcome === "kept" || outcome === "busy") {
      await copy.remove().catch((error) => this.#parts.report(`The next start removes ${to}/${future}: ${error}`));
      await this.#parts.announce(move, null);
    }
  }

  /** Copies closed segments until little is left. @returns false when the move is not wanted any more */
  async #copyWhileOpen(move: ReplicaMove, copy: ReplicaCopy): Promise<boolean> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const { remaining, endOffset } = await copy.copyClosed(() => this.#isWanted(move));
      const found = this.#find(move);
      if (found === null || !this.#isWanted(move)) return false;
      await this.#parts.announce(move, { directory: move.to, bytes: copy.bytes, endOffset });
      if (remaining <= REST_BYTES_MAX) return true;
      await this.#parts.roll(found.place);
    }
    return this.#isWanted(move);
  }

  async #exchange(move: ReplicaMove, copy: ReplicaCopy, name: string): Promise<ExchangeOutcome> {
    for (let tries = 0; tries < TRIES_MAX && this.#isWanted(move); tries++) {
      const outcome = await this.#parts.exchange(move, { name, finish: () => copy.finish() });
      if (outcome !== "busy") return outcome;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    return "busy";
  }

  #isWanted(move: ReplicaMove): boolean {
    return !this.#isStopped && this.#wanted.get(keyOf(move.topicId, move.partition)) === move;
  }

  #find({ topicId, partition }: ReplicaMove): { topic: TopicImage; place: PartitionImage } | null {
    const topic = this.#parts.image.topicById(topicId);
    const place = topic?.partitions[partition];
    return topic === undefined || place === undefined || place.directory < 0 ? null : { topic, place };
  }
}

/** Name of a new copy's directory. */
function futureName(topic: string, partition: number): string {
  return `${topic}-${partition}.${crypto.randomUUID().replaceAll("-", "")}-future`;
}

function keyOf(topicId: string, partition: number): string {
  return `${topicId} ${partition}`;
}

/**
 * Publishes the changes of a shared store to the shards of this broker, strictly in the order of the store. Main isolate.
 *
 *   follower: one call per transaction ──► queue ──► applied to the table ──► published ──► every shard has applied it ──► applied(version)
 *
 * Transactions that arrive while a change is being published are published together, up to a bound: in the same order, as one change. A
 * change that removes logs here ends before the next one that adds some: the directories of deleted topics, and of replicas that went to
 * other brokers, are removed in between, and the checkpoints lose their lines: a new topic may have the same name, and a replica may come back.
 *
 * Always: nothing else changes the table while a change is applied and published. What concerns this broker alone (moves between shards and
 * log directories, failed disks) takes turns with it by `exclusively()`.
 */
import type { DynamicSettings } from "../../config/broker/dynamic_fields.ts";
import type { ImageDelta, PartitionFailure, TopicImage } from "../image.ts";
import { PARTITIONS, TOPICS } from "../records.ts";
import type { StoreChange } from "../store/store.ts";
import type { StoreFollower } from "../store/store_follower.ts";
import type { TopicTable } from "../topic_table.ts";
import type { HomelessPartition, SharedImage, TakenChanges } from "./shared_image.ts";

/** Changed rows that are published together: thrice what one transaction of etcd has. More of them would keep the shards' turns long. */
const PUBLISHED_ROWS_MAX = 400;

/** What the changes are published with. */
export interface SharedTopicsParts {
  readonly follower: StoreFollower;
  readonly table: TopicTable;
  readonly image: SharedImage;
  /** Publishes a change; settles when every shard has applied it. */
  readonly publish: (delta: ImageDelta) => Promise<readonly PartitionFailure[]>;
  /** Called before partitions are created here. */
  readonly beforeCreation: () => Promise<void>;
  /** Called when every shard has closed the logs of topics that were removed, or of those of their partitions that were removed here. */
  readonly afterDeletion: (topics: readonly TopicImage[]) => Promise<void>;
  /** Called when partitions were published that need another log directory of this broker. */
  readonly homeless: (partitions: readonly HomelessPartition[]) => void;
  /** The shards cannot be told any more. */
  readonly failed: (error: unknown) => void;
}

interface Queued {
  readonly changes: readonly StoreChange[];
  readonly version: number;
}

interface Wait {
  readonly version: number;
  readonly resolve: () => void;
}

/** The publication of one broker. */
export class SharedTopics implements Disposable {
  readonly #parts: SharedTopicsParts;
  readonly #queue: Queued[] = [];
  readonly #waits = new Set<Wait>();
  readonly #ended = Promise.withResolvers<void>();
  #following: Disposable | null = null;
  #version = 0;
  #isStarted = false;
  #isPublishing = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @param parts the follower, and what it changes */
  constructor(parts: SharedTopicsParts) {
    this.#parts = parts;
  }

  /** Version of the last transaction that every shard has applied. */
  get version(): number {
    return this.#version;
  }

  /** Settles when nothing is followed any more: what has not been applied by then never is. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Fills the image with what the follower has, and follows it from there. @returns what was applied, for the shards to start with */
  load(): TakenChanges {
    const { follower, image } = this.#parts;
    image.apply([...follower.rows.values()]);
    this.#version = follower.version;
    this.#following = follower.follow((changes, version) => {
      this.#queue.push({ changes, version });
      this.#publish();
    });
    return image.take(follower.version);
  }

  /** The shards have started: what has changed since the load is published from now on. */
  start(): void {
    this.#isStarted = true;
    this.#publish();
  }

  /** Settles when every shard has applied a transaction. Never, if the broker ends before. */
  applied(version: number): Promise<void> {
    if (this.#version >= version) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waits.add({ version, resolve });
    return promise;
  }

  /** Settles when every shard has applied what has arrived so far. */
  settled(): Promise<void> {
    return this.applied(this.#parts.follower.version);
  }

  /** Tells the shards which settings are in force, after another reason than a change of the store. @param inForce reads them */
  publishSettings(inForce: () => DynamicSettings): Promise<void> {
    return this.exclusively(async () => {
      await this.#parts.publish({ changed: [], deletedIds: [], brokerSettings: inForce() });
      await this.#publishInherited();
    });
  }

  /** Runs work that changes the table, while nothing else does. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result;
    return result;
  }

  /** Follows no more. Settles when the change that was being published is, and everything that waited for its turn is done. */
  async stop(): Promise<void> {
    this[Symbol.dispose]();
    await this.#last.then(() => {}, () => {}); // a failure was told to who asked
  }

  /** Follows no more. */
  [Symbol.dispose](): void {
    this.#following?.[Symbol.dispose]();
    this.#following = null;
    this.#queue.length = 0;
    this.#ended.resolve();
  }

  #publish(): void {
    if (!this.#isStarted || this.#isPublishing) return;
    this.#isPublishing = true;
    void this.#publishAll();
  }

  async #publishAll(): Promise<void> {
    try {
      while (this.#queue.length > 0) await this.exclusively(() => this.#publishNext());
      this.#isPublishing = false;
    } catch (error) {
      this.#parts.failed(error);
    }
  }

  async #publishNext(): Promise<void> {
    const { image, table } = this.#parts;
    const version = this.#applyNext();
    if (version === null) return;
    const { delta, removed, lost, left, homeless } = image.take(version);
    // A reset of the watch may delete a topic and create another one of its name in one change.
    const isMixed = removed.length > 0 && delta.changed.length > 0;
    if (isMixed) await this.#parts.publish({ changed: [], deletedIds: delta.deletedIds });
    else await this.#publishChange(delta);
    if (delta.brokerSettings !== undefined) await this.#publishInherited();
    table.release(left);
    if (removed.length > 0) await this.#parts.afterDeletion(removed);
    if (isMixed) await this.#publishChange(delta);
    if (lost.length > 0) await this.#parts.afterDeletion(lost);
    if (homeless.length > 0) this.#parts.homeless(homeless);
    this.#version = version;
    for (const wait of this.#waits) {
      if (wait.version > version) continue;
      this.#waits.delete(wait);
      wait.resolve();
    }
  }

  /** Gives topics what they inherit from the settings of this broker. */
  async #publishInherited(): Promise<void> {
    const { table } = this.#parts;
    for (const changed of table.inheriting()) {
      const delta = { changed, deletedIds: [] };
      table.image.apply(delta);
      await this.#parts.publish(delta);
    }
  }

  async #publishChange(delta: ImageDelta): Promise<void> {
    if (delta.changed.length > 0) await this.#parts.beforeCreation();
    if (isVisible(delta)) await this.#parts.publish(delta);
  }

  /** Applies the next transactions. @returns the version of the last one; null when there is none */
  #applyNext(): number | null {
    const { image } = this.#parts;
    let count = 0;
    let version: number | null = null;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (count > 0 && count + next.changes.length > PUBLISHED_ROWS_MAX) break;
      if (image.hasRemoved && next.changes.some(mayAdd)) break;
      this.#queue.shift();
      image.apply(next.changes);
      count += next.changes.length;
      version = next.version;
    }
    return version;
  }
}

/** Whether a change says something that shards know: most rows are about brokers' own business. */
function isVisible({ changed, deletedIds, ...others }: ImageDelta): boolean {
  const { groups, clientQuotas, scramUsers, brokers, brokerSettings } = others;
  return changed.length > 0 || deletedIds.length > 0 ||
    [groups, clientQuotas, scramUsers, brokers, brokerSettings].some((part) => part !== undefined);
}

function mayAdd(change: StoreChange): boolean {
  return !("deleted" in change) && (change.key.startsWith(TOPICS) || change.key.startsWith(PARTITIONS));
}

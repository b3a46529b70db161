/**
 * What tests of the controller share: a store in memory that can be made to fail, a list in place of directories, and a controller that
 * uses both. Tests only.
 */
import { randomUuid } from "../../storage/base/uuid.ts";
import type { MembershipCalls } from "../cluster/membership_calls.ts";
import type { BrokerConfig } from "../config/broker/broker_config.ts";
import { brokerConfigFrom } from "../config/broker/broker_properties.ts";
import type {
  FoundDirectory,
  FoundFuture,
  FoundPartition,
  PartitionDirectories,
  PartitionIdentity,
} from "./adoption.ts";
import type { LoadedMetadata } from "./changes/changes.ts";
import { Controller } from "./controller.ts";
import type { ImageDelta, PartitionFailure } from "./image.ts";
import type { AskHandOver } from "./partition_hand_over.ts";
import type { PartitionRoom } from "./topic_creation.ts";
import {
  ABSENT,
  type Lease,
  MetadataRefusedError,
  type MetadataStore,
  MetadataStoreError,
  type Snapshot,
  type StoredEntry,
  type StoreLimits,
  type Transaction,
  type TransactionResult,
} from "./store/store.ts";

/** A store in memory. */
export class MemoryStore implements MetadataStore {
  readonly limits: StoreLimits = { transactionKeysMax: Infinity, transactionBytesMax: Infinity };
  readonly entries = new Map<string, StoredEntry>();
  /** Transactions committed so far. */
  readonly committed: Transaction[] = [];
  /** Makes every transaction fail with this sentence while it is set, as if the store were damaged. */
  failure: string | null = null;
  /** Makes transactions fail with this sentence while it is set, as if the disk were full. @returns null for one that is not refused */
  refusal: (transaction: Transaction) => string | null = () => null;
  #version = 0;

  get(key: string): Promise<StoredEntry | null> {
    return Promise.resolve(this.entries.get(key) ?? null);
  }

  range(prefix: string): Promise<StoredEntry[]> {
    const found = [...this.entries.values()].filter(({ key }) => key.startsWith(prefix));
    return Promise.resolve(found.sort((a, b) => a.key < b.key ? -1 : 1));
  }

  async snapshot(prefix: string): Promise<Snapshot> {
    return { version: this.#version, entries: await this.range(prefix) };
  }

  transact(transaction: Transaction): Promise<TransactionResult> {
    if (this.failure !== null) return Promise.reject(new MetadataStoreError(this.failure));
    const refusal = this.refusal(transaction);
    if (refusal !== null) return Promise.reject(new MetadataRefusedError(refusal));
    const conflicts = (transaction.compare ?? [])
      .filter(({ key, version }) => (this.entries.get(key)?.version ?? ABSENT) !== version)
      .map(({ key }) => key);
    if (conflicts.length > 0) return Promise.resolve({ outcome: "refused", conflicts });
    const version = ++this.#version;
    for (const key of transaction.delete ?? []) this.entries.delete(key);
    for (const { key, value } of transaction.set ?? []) this.entries.set(key, { key, value, version });
    this.committed.push(transaction);
    return Promise.resolve({ outcome: "committed", version });
  }

  resolve(): Promise<TransactionResult> {
    throw new Error("no outcome is unknown");
  }

  watch(): Disposable {
    throw new Error("the controller does not watch");
  }

  grantLease(): Promise<Lease> {
    throw new Error("the controller takes no lease");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Keys in order. */
  keys(): string[] {
    return [...this.entries.keys()].sort();
  }
}

/** `directory.id` of the log directory of a test. */
export const DIRECTORY_ID = "ZGlyZWN0b3J5LW9mLXRlcw";

/** A list in place of partition directories. */
export class ListedDirectories implements PartitionDirectories {
  readonly ids: readonly (string | null)[];
  futures: readonly FoundFuture[] = [];
  /** Contents of the small files of copies, by the names of their directories. */
  readonly identities = new Map<string, PartitionIdentity | string>();
  readonly #identities = new Map<string, PartitionIdentity | string>();
  /** All calls, in order. */
  readonly actions: string[] = [];

  /**
   * @param found the contents of each directory's files, by its name, with @ and the index of its log directory unless that is 0
   * @param ids `directory.id` of each log directory; null for one that is offline
   */
  constructor(
    found: Readonly<Record<string, Partial<PartitionIdentity> | string>> = {},
    ids: readonly (string | null)[] = [DIRECTORY_ID],
  ) {
    this.ids = ids;
    for (const [name, identity] of Object.entries(found)) {
      const defaults = { topicId: null, latestLeaderEpoch: -1 };
      this.#identities.set(name, typeof identity === "string" ? identity : { ...defaults, ...identity });
    }
  }

  get found(): FoundDirectory[] {
    return [...this.#identities.keys()].map((place) => {
      const [name = "", directory = "0"] = place.split("@");
      const dash = name.lastIndexOf("-");
      return { topic: name.slice(0, dash), partition: Number(name.slice(dash + 1)), directory: Number(directory) };
    });
  }

  identify(found: FoundDirectory | FoundFuture): Promise<PartitionIdentity | string> {
    const { topic, partition, directory } = found;
    const name = "name" in found ? found.name : `${topic}-${partition}${directory === 0 ? "" : `@${directory}`}`;
    this.actions.push(`identify ${name}`);
    const nothing = { topicId: null, latestLeaderEpoch: -1 };
    return Promise.resolve(this.identities.get(name) ?? this.#identities.get(name) ?? nothing);
  }

  get paths(): string[] {
    return this.ids.map((_, index) => `/logs/${index}`);
  }

  promote({ name }: FoundFuture): Promise<void> {
    this.actions.push(`promote ${name}`);
    return Promise.resolve();
  }

  exchange({ name }: FoundFuture, from: number): Promise<void> {
    this.actions.push(`exchange ${name} with ${from}`);
    return Promise.resolve();
  }

  removeFuture({ name }: FoundFuture): void {
    this.actions.push(`remove ${name}`);
  }

  remove({ topic, partition }: FoundPartition, directory = 0): Promise<void> {
    this.actions.push(`remove ${topic}-${partition}${directory === 0 ? "" : `@${directory}`}`);
    return Promise.resolve();
  }

  sync(): Promise<void> {
    this.actions.push("sync");
    return Promise.resolve();
  }
}

/** The settings of a broker with these properties. */
export function configOf(properties: Record<string, string> = {}): BrokerConfig {
  const result = brokerConfigFrom(new Map(Object.entries(properties)));
  if ("refused" in result) throw new Error(result.refused);
  return result.config;
}

/** A controller and what it published. */
export interface TestController {
  readonly controller: Controller;
  readonly published: ImageDelta[];
  readonly loaded: LoadedMetadata;
  /** Sentences for the operator. */
  readonly reports: readonly string[];
}

/** Starts a controller. */
export async function startController(
  store: MetadataStore,
  options: {
    properties?: Record<string, string>;
    directories?: PartitionDirectories;
    shardsCount?: number;
    slotsMax?: number;
    publish?: (delta: ImageDelta) => Promise<readonly PartitionFailure[] | void>;
    handOver?: AskHandOver;
    nowMs?: () => number;
    saveCheckpoints?: () => Promise<void>;
    room?: (count: number) => PartitionRoom;
    membership?: MembershipCalls;
  } = {},
): Promise<TestController> {
  const published: ImageDelta[] = [];
  const reports: string[] = [];
  const controller = new Controller({
    store,
    config: configOf(options.properties),
    shardsCount: options.shardsCount ?? 2,
    slotsMax: options.slotsMax ?? 1000,
    publish: async (delta) => {
      published.push(delta);
      return await options.publish?.(delta) ?? [];
    },
    handOver: options.handOver ?? (() => Promise.resolve(true)),
    roll: () => Promise.resolve(),
    saveLogStarts: () => Promise.resolve(),
    saveCheckpoints: options.saveCheckpoints ?? (() => Promise.resolve()),
    room: options.room ?? (() => ({ count: Infinity, scarcity: "" })),
    report: (text) => void reports.push(text),
    inform: () => {},
    newTopicId: randomUuid,
    nowMs: options.nowMs,
    membership: options.membership,
    random: () => 0.5,
  });
  const loaded = await controller.load(options.directories ?? new ListedDirectories());
  return { controller, published, loaded, reports };
}

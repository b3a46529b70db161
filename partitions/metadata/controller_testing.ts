/**
 * What tests of the controller share: a store in memory that can be made to fail, a list in place of directories, and a controller that
 * uses both. Tests only.
 */
import { randomUuid } from "../../storage/base/uuid.ts";
import type { ElectedCalls } from "../cluster/membership_calls.ts";
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
import type { MetadataStore } from "./store/store.ts";

export { MemoryStore } from "./store/memory_store_testing.ts";

/** `directory.id` of the log directory of a test. */
export const DIRECTORY_ID = "ZGlyZWN0b3J5LW9mLXRlcw";

/** A list in place of partition directories. */
export class ListedDirectories implements PartitionDirectories {
  readonly ids: readonly (string | null)[];
  futures: readonly FoundFuture[] = [];
  /** Contents of the small files of copies, by the names of their directories. */
  readonly identities = new Map<string, PartitionIdentity | string>();
  /** Partitions that had records, as the checkpoints say, like the names of directories. */
  readonly recorded = new Set<string>();
  /** Partitions whose lines in the checkpoints were removed. */
  readonly forgotten: string[] = [];
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

  setAside({ topic, partition, directory }: FoundDirectory): Promise<string> {
    const name = `${topic}-${partition}${directory === 0 ? "" : `@${directory}`}`;
    this.actions.push(`set aside ${name}`);
    return Promise.resolve(`${name}-stray`);
  }

  forgetOffsets(away: readonly FoundDirectory[]): Promise<void> {
    for (const { topic, partition } of away) this.forgotten.push(`${topic}-${partition}`);
    return Promise.resolve();
  }

  hadRecords({ topic, partition, directory }: FoundDirectory): boolean {
    return this.recorded.has(`${topic}-${partition}${directory === 0 ? "" : `@${directory}`}`);
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
    membership?: ElectedCalls;
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

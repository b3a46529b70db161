/**
 * The image of the cluster as this broker's watch of the metadata store tells it. Each change costs what it changes, not what there is.
 * The main isolate.
 *
 * Always: when listeners are called, the image already says what the change says, and its revision is the change's.
 */
import { brokerConfigsKey, PARTITIONS, SOME_DIRECTORY, TOPICS } from "../metadata/records.ts";
import { MetadataStoreError, type StoreChange, type StoredEntry } from "../metadata/store/store.ts";
import type { StoreFollower } from "../metadata/store/store_follower.ts";
import { ABSENT, type BrokerEntry, type BrokerState, type ClusterImage } from "./cluster_image.ts";
import {
  brokerKeyOf,
  BROKERS,
  type ClusterPartitionRow,
  CONTROLLER,
  type ControllerRow,
  controllerRowOf,
  partitionOf,
  partitionRowOf,
  type RegistrationRow,
  registrationRowOf,
  stateOf,
  topicIdOf,
  topicNameOf,
  type TopicSettings,
  topicSettingsOf,
} from "./cluster_rows.ts";

/** What one change of the store changed in the image. */
export interface ImageChange {
  /** Partitions whose rows are new, changed or gone. */
  readonly partitions: readonly string[];
  /** Whether a registration or a state of a broker is another one. */
  readonly brokers: boolean;
  /** Whether the controller is another one. */
  readonly controller: boolean;
  /** Ids of topics whose settings changed, of all where those of this broker did; not those that are new. */
  readonly settings: readonly string[];
}

/** What the settings of topics mean. */
export interface TopicRules {
  /** `min.insync.replicas` of a topic with these configs. */
  minIsrOf(configs: Readonly<Record<string, string>>): number;
  /** `unclean.leader.election.enable` of a topic with these configs. */
  isUncleanElectionEnabled(configs: Readonly<Record<string, string>>): boolean;
}

/** A partition's row, with the fields that this version does not know. */
export interface VersionedPartition {
  readonly row: ClusterPartitionRow;
  readonly version: number;
}

/** A registration with its version, the broker epoch. */
export interface VersionedRegistration {
  readonly row: RegistrationRow;
  readonly version: number;
}

const NO_CONFIGS = {};

interface Changing {
  readonly partitions: string[];
  brokers: boolean;
  controller: boolean;
  readonly settings: string[];
}

/** The image. */
export class LiveImage implements ClusterImage, Disposable {
  readonly #follower: Pick<StoreFollower, "rows" | "version" | "follow">;
  readonly #rules: TopicRules;
  /** Keys of the settings that the rules follow. */
  readonly #ruleKeys: readonly string[];
  readonly #failed: (error: MetadataStoreError) => void;
  readonly #brokers = new Map<number, BrokerEntry>();
  readonly #registrations = new Map<number, VersionedRegistration>();
  readonly #states = new Map<number, { readonly state: BrokerState; readonly version: number }>();
  readonly #partitions = new Map<string, VersionedPartition>();
  /** By name. */
  readonly #topics = new Map<string, TopicSettings>();
  /** By topic id. */
  readonly #configs = new Map<string, TopicSettings["configs"]>();
  readonly #listeners = new Set<(change: ImageChange) => void>();
  readonly #following: Disposable;
  #revision: number;
  #controller: { readonly row: ControllerRow; readonly version: number } | null = null;

  /**
   * @param follower of the store @param broker whose image it is @param rules that its settings, and those of all brokers, change
   * @param failed gets the sentence when a row cannot be read; the image then stands still
   * @throws MetadataStoreError when a row cannot be read now
   */
  constructor(
    follower: Pick<StoreFollower, "rows" | "version" | "follow">,
    { broker, rules, failed }: { broker: number; rules: TopicRules; failed: (error: MetadataStoreError) => void },
  ) {
    this.#follower = follower;
    this.#rules = rules;
    this.#ruleKeys = [brokerConfigsKey("default"), brokerConfigsKey(broker)];
    this.#failed = failed;
    this.#revision = follower.version;
    this.#apply([...follower.rows.values()]);
    this.#following = follower.follow((changes, version) => this.#changed(changes, version));
  }

  get revision(): number {
    return this.#revision;
  }

  get brokers(): ReadonlyMap<number, BrokerEntry> {
    return this.#brokers;
  }

  get partitions(): ReadonlyMap<string, VersionedPartition> {
    return this.#partitions;
  }

  get controllerEpoch(): number {
    return this.#controller?.version ?? ABSENT;
  }

  /** The elected controller, null while there is none. */
  get controller(): ControllerRow | null {
    return this.#controller?.row ?? null;
  }

  /** The registered brokers, by node id. */
  get registrations(): ReadonlyMap<number, VersionedRegistration> {
    return this.#registrations;
  }

  configuredMinIsrOf(partition: string): number {
    return this.#rules.minIsrOf(this.#configs.get(topicIdOf(partition)) ?? NO_CONFIGS);
  }

  isUncleanElectionEnabled(partition: string): boolean {
    return this.#rules.isUncleanElectionEnabled(this.#configs.get(topicIdOf(partition)) ?? NO_CONFIGS);
  }

  directoryOf(partition: string, broker: number): string | null {
    const row = this.#partitions.get(partition)?.row;
    const directory = row?.directories[row.replicas.indexOf(broker)];
    return directory === undefined || directory === SOME_DIRECTORY ? null : directory;
  }

  directoriesOf(broker: number): readonly string[] | null {
    return this.#registrations.get(broker)?.row.directories ?? null;
  }

  /** A row of the store as the watch has told it; null for none. */
  entry(key: string): StoredEntry | null {
    return this.#follower.rows.get(key) ?? null;
  }

  /** Calls a listener after every change of what is in the image. It must not throw. @returns ends that when disposed */
  follow(listener: (change: ImageChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** The image stands still. */
  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]();
    this.#listeners.clear();
  }

  #changed(changes: readonly StoreChange[], version: number): void {
    let change: ImageChange;
    try {
      change = this.#apply(changes);
    } catch (error) {
      if (!(error instanceof MetadataStoreError)) throw error;
      this[Symbol.dispose]();
      return this.#failed(error);
    }
    this.#revision = version;
    for (const listener of this.#listeners) listener(change);
  }

  #apply(changes: readonly StoreChange[]): ImageChange {
    const changing: Changing = { partitions: [], brokers: false, controller: false, settings: [] };
    const brokers = new Set<number>();
    for (const change of changes) {
      const entry = "deleted" in change ? null : change;
      const { key } = change;
      if (key.startsWith(PARTITIONS)) changing.partitions.push(this.#partition(key, entry));
      else if (key.startsWith(BROKERS)) brokers.add(this.#brokerRow(key, entry));
      else if (key.startsWith(TOPICS)) this.#topic(key, entry, changing);
      else if (this.#ruleKeys.includes(key)) { for (const id of this.#configs.keys()) changing.settings.push(id); }
      else if (key === CONTROLLER) {
        this.#controller = entry && { row: controllerRowOf(entry), version: entry.version };
        changing.controller = true;
      }
    }
    for (const broker of brokers) this.#joinRows(broker);
    changing.brokers = brokers.size > 0;
    return changing;
  }

  #partition(key: string, entry: StoredEntry | null): string {
    const partition = partitionOf(key);
    if (entry === null) this.#partitions.delete(partition);
    else this.#partitions.set(partition, { row: partitionRowOf(entry), version: entry.version });
    return partition;
  }

  #brokerRow(key: string, entry: StoredEntry | null): number {
    const { broker, kind } = brokerKeyOf(key);
    const { version = ABSENT } = entry ?? {};
    if (kind === "registration") {
      if (entry === null) this.#registrations.delete(broker);
      else this.#registrations.set(broker, { row: registrationRowOf(entry), version });
    } else if (entry === null) this.#states.delete(broker);
    else this.#states.set(broker, { state: stateOf(entry), version });
    return broker;
  }

  /** A broker has a registration and a state, which are written together. */
  #joinRows(broker: number): void {
    const registration = this.#registrations.get(broker);
    const state = this.#states.get(broker);
    if (registration === undefined || state === undefined) return void this.#brokers.delete(broker);
    const { incarnation, directoryId } = registration.row;
    this.#brokers.set(broker, {
      state: state.state,
      stateVersion: state.version,
      brokerEpoch: registration.version,
      incarnation,
      directoryId,
    });
  }

  #topic(key: string, entry: StoredEntry | null, { settings }: Changing): void {
    const name = topicNameOf(key);
    const last = this.#topics.get(name);
    if (entry !== null) {
      const topic = topicSettingsOf(entry);
      if (last?.id === topic.id) settings.push(topic.id);
      else if (last !== undefined) this.#configs.delete(last.id);
      this.#topics.set(name, topic);
      this.#configs.set(topic.id, topic.configs);
    } else if (last !== undefined) {
      this.#topics.delete(name);
      this.#configs.delete(last.id);
    }
  }
}

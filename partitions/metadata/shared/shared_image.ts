/**
 * Makes changes of the image from rows that brokers have changed in a shared store, one transaction after the other. Main isolate; it reaches
 * no I/O.
 *
 *   partition rows of an unknown topic ──► wait for the topic's row, which is written last, or with them ──► the topic is shown
 *   partition rows of a shown topic    ──► shown; new ones follow the last partition
 *   topic row deleted                  ──► the topic is removed; the rest of its partition rows counts no more
 *
 * Always: after a transaction the image shows what the rows say that were applied, whatever order the changes of one transaction have. Rows that
 * name this broker as leader are shown without a leader until this process's registration has been applied: they may have been written
 * for the process before it, and a log may have lost its end since.
 *
 * A row of another shape is reported and left out: what was shown before it stays.
 */
import { BROKERS, CONTROLLER, partitionRowOf } from "../../cluster/cluster_rows.ts";
import { NO_LEADER } from "../../cluster/partition_row.ts";
import { type BrokerImage, type ImageDelta, isHere, type PartitionImage, type TopicImage } from "../image.ts";
import { OFFLINE_DIRECTORY } from "../../placement/directory_placement.ts";
import type { Placed } from "../../placement/placement.ts";
import type { BrokerSettings } from "../configs/broker_settings.ts";
import { isSame } from "../configs/config_operations.ts";
import { partitionsPrefix, type TopicRow } from "../records.ts";
import { SettingRows } from "../settings/setting_rows.ts";
import { ABSENT, MetadataStoreError, type StoreChange } from "../store/store.ts";
import type { ChangedRow, TopicTable } from "../topic_table.ts";
import { SharedBrokers } from "./shared_brokers.ts";
import {
  deletedRowOf,
  groupRowOf,
  nextProducerIdOf,
  type SharedDeletedRow,
  sharedKey,
  topicRowOf,
} from "./shared_rows.ts";

/** What the image is made for. */
export interface SharedImageParts {
  readonly nodeId: number;
  /** Names this process in its registration. */
  readonly incarnation: string;
  readonly table: TopicTable;
  /** What the store's rows about this broker's settings mean; it follows the store by itself. */
  readonly brokerSettings: BrokerSettings;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
}

/** A row, and the version that a compare-and-set compares. */
export interface VersionedRow<Row> {
  readonly row: Row;
  readonly version: number;
}

/** What was applied since the last `take()`. */
export interface TakenChanges {
  /** The change to publish. */
  readonly delta: ImageDelta;
  /** Topics that were removed, as they were. */
  readonly removed: readonly TopicImage[];
  /** Topics with the partitions whose replicas on this broker were removed, as they were. */
  readonly lost: readonly TopicImage[];
  /** Places that are free once the change is published. */
  readonly left: readonly Placed[];
  /** Partitions that need another log directory of this broker. */
  readonly homeless: readonly HomelessPartition[];
}

/** A partition, as its key names it. */
export interface NamedPartition {
  readonly topicId: string;
  readonly partition: number;
}

/** A partition that has no log directory of this broker that is online. */
export interface HomelessPartition extends NamedPartition {
  /** Whether it is new since the load. Otherwise this broker has lost its log. */
  readonly isNew: boolean;
}

/** Whether a replica here may begin with an empty log: another broker leads, and nobody counts on what this one had. */
export function mayBeginAnew(row: LeadRow, nodeId: number): boolean {
  const { leader, isr, elr = [], lastKnownElr = [] } = row;
  return leader !== NO_LEADER && leader !== nodeId && ![isr, elr, lastKnownElr].some((list) => list.includes(nodeId));
}

type LeadRow = Pick<PartitionImage, "leader" | "isr" | "elr" | "lastKnownElr">;

interface TopicPut {
  readonly name: string;
  readonly row: TopicRow;
  readonly version: number;
}

/** The changes of one transaction, by what they concern. */
class SortedChanges {
  readonly deletedTopics: string[] = [];
  readonly topics: TopicPut[] = [];
  /** By topic id. */
  readonly partitions = new Map<string, ChangedRow[]>();
  readonly deletedPartitions: NamedPartition[] = [];
}

/** The image over a shared store. */
export class SharedImage {
  readonly brokers = new SharedBrokers();
  /** Topics of which log directories may still have something, by topic id. */
  readonly deleted = new Map<string, VersionedRow<SharedDeletedRow>>();
  readonly #parts: SharedImageParts;
  readonly #table: TopicTable;
  /** Rows of partitions of topics that are not shown, by topic id and partition. */
  readonly #waiting = new Map<string, Map<number, ChangedRow>>();
  /** Rows of topics whose partitions are missing, by topic id. */
  readonly #incomplete = new Map<string, TopicPut>();
  /** Rows that name this broker as leader and are shown without one, by topic id and partition. */
  readonly #withheld = new Map<string, Map<number, ChangedRow>>();
  /** The rows of client quotas and users. */
  readonly settings = new SettingRows();
  readonly #groupVersions = new Map<string, number>();
  #producerIds = { next: 0, version: ABSENT };
  #isRegistered = false;

  // What was applied since the last take().
  readonly #changed = new Map<string, TopicImage>();
  readonly #groups = new Map<string, Readonly<Record<string, string>>>();
  #removed: TopicImage[] = [];
  #lost: TopicImage[] = [];
  #left: Placed[] = [];
  #homeless: HomelessPartition[] = [];
  #isLoaded = false;
  #areBrokersChanged = false;
  #areSettingsChanged = false;

  /** @param parts the table that it fills */
  constructor(parts: SharedImageParts) {
    this.#parts = parts;
    this.#table = parts.table;
  }

  /** Version of the row of a group's configs; ABSENT without one. */
  groupVersion(groupId: string): number {
    return this.#groupVersions.get(groupId) ?? ABSENT;
  }

  /** First producer id of the next block, and the version of its row. */
  get producerIds(): { readonly next: number; readonly version: number } {
    return this.#producerIds;
  }

  /** Whether this process is registered, as far as the rows were applied. */
  get isRegistered(): boolean {
    return this.#isRegistered;
  }

  /** Rows of partitions of topics that do not exist, by topic id and partition; not of deleted ones, whose rows are being removed. */
  rowsWithoutTopic(): ReadonlyMap<string, ReadonlyMap<number, ChangedRow>> {
    const isOrphaned = (id: string) =>
      !this.deleted.has(id) && !this.#incomplete.has(id) && this.#table.image.topicById(id) === undefined;
    return new Map([...this.#waiting].filter(([id]) => isOrphaned(id)));
  }

  /** Whether topics or replicas with logs on this broker were removed since the last `take()`. */
  get hasRemoved(): boolean {
    return this.#lost.length > 0 || this.#removed.some(({ partitions }) => partitions.some(isHere));
  }

  /** Applies the changes of one transaction. */
  apply(changes: readonly StoreChange[]): void {
    const sorted = new SortedChanges();
    for (const change of changes) {
      try {
        this.#sort(change, sorted);
      } catch (error) {
        if (!(error instanceof MetadataStoreError)) throw error;
        this.#parts.report(`A change of metadata is left out: ${error.message}`);
      }
    }
    for (const name of sorted.deletedTopics) this.#removeTopic(name);
    for (const { topicId, partition } of sorted.deletedPartitions) this.#forgetPartition(topicId, partition);
    for (const [topicId, rows] of sorted.partitions) this.#changeRows(topicId, rows);
    for (const topic of sorted.topics) this.#changeTopic(topic);
    if (!this.#isRegistered && this.#parts.incarnation === this.brokers.incarnationOf(this.#parts.nodeId)) {
      this.#isRegistered = true;
      this.#showWithheld();
    }
  }

  /** Takes what was applied since the last call; the table's image has all of it from then on. @param version of the last transaction */
  take(version: number): TakenChanges {
    const groups = [...this.#groups].map(([groupId, configs]) => ({ groupId, configs }));
    const delta: ImageDelta = {
      changed: [...this.#changed.values()],
      deletedIds: this.#removed.map(({ id }) => id),
      version,
      ...(groups.length === 0 ? {} : { groups }),
      ...this.settings.take(),
      ...(this.#areBrokersChanged ? this.#brokersChange() : {}),
      ...(this.#areSettingsChanged ? { brokerSettings: this.#parts.brokerSettings.dynamic } : {}),
    };
    // Topics were applied as they came. A change is planned from the table's image, and compares the versions that this has from here on.
    this.#table.image.apply({ ...delta, changed: [], deletedIds: [] });
    const taken = { delta, removed: this.#removed, lost: this.#lost, left: this.#left, homeless: this.#homeless };
    this.#isLoaded = true;
    this.#changed.clear();
    this.#groups.clear();
    [this.#removed, this.#lost, this.#left, this.#homeless] = [[], [], [], []];
    this.#areBrokersChanged = this.#areSettingsChanged = false;
    return taken;
  }

  #brokersChange(): Pick<ImageDelta, "brokers" | "controllerId" | "controllerEpoch"> {
    const { controllerId, controllerEpoch } = this.brokers;
    return { brokers: this.#shownBrokers(), controllerId, controllerEpoch };
  }

  /** The brokers. Of this one the epoch is unknown until this process is registered: it fetches nothing with that of the last process. */
  #shownBrokers(): BrokerImage[] {
    const { nodeId } = this.#parts;
    return this.brokers.images().map((broker) =>
      broker.nodeId === nodeId && !this.#isRegistered ? { ...broker, brokerEpoch: undefined } : broker
    );
  }

  #sort(change: StoreChange, sorted: SortedChanges): void {
    const { key } = change;
    if (key === CONTROLLER || key.startsWith(BROKERS)) {
      this.#areBrokersChanged = true;
      return this.brokers.apply(change);
    }
    const named = sharedKey(key);
    switch (named.kind) {
      case "topic":
        if ("deleted" in change) sorted.deletedTopics.push(named.name);
        else sorted.topics.push({ name: named.name, row: topicRowOf(change), version: change.version });
        break;
      case "partition":
        if ("deleted" in change) sorted.deletedPartitions.push(named);
        else {
          const rows = sorted.partitions.get(named.topicId) ?? [];
          rows.push({ partition: named.partition, row: partitionRowOf(change), version: change.version });
          sorted.partitions.set(named.topicId, rows);
        }
        break;
      case "deleted":
        if ("deleted" in change) this.deleted.delete(named.topicId);
        else this.deleted.set(named.topicId, { row: deletedRowOf(change), version: change.version });
        break;
      case "group":
        this.#changeGroup(named.groupId, change);
        break;
      case "setting":
        this.settings.apply(change);
        break;
      case "broker-configs":
        this.#areSettingsChanged ||= this.#parts.brokerSettings.isConcerned(named.owner);
        break;
      case "producer-ids":
        this.#producerIds = "deleted" in change
          ? { next: 0, version: ABSENT }
          : { next: nextProducerIdOf(change), version: change.version };
    }
  }

  #changeGroup(groupId: string, change: StoreChange): void {
    const configs = "deleted" in change ? {} : groupRowOf(change).configs;
    if ("deleted" in change) this.#groupVersions.delete(groupId);
    else this.#groupVersions.set(groupId, change.version);
    this.#groups.set(groupId, configs);
  }

  #removeTopic(name: string): void {
    for (const [id, topic] of this.#incomplete) if (topic.name === name) this.#incomplete.delete(id);
    const topic = this.#table.image.topic(name);
    if (topic === undefined) return;
    this.#table.remove([topic]);
    for (const place of topic.partitions) this.#left.push(place);
    this.#removed.push(topic);
    this.#changed.delete(topic.id);
    this.#withheld.delete(topic.id);
  }

  /** A partition's row is only deleted with its topic. */
  #forgetPartition(topicId: string, partition: number): void {
    const waiting = this.#waiting.get(topicId);
    waiting?.delete(partition);
    if (waiting?.size === 0) this.#waiting.delete(topicId);
    const topic = this.#table.image.topicById(topicId);
    if (topic?.partitions[partition] === undefined) return;
    this.#parts.report(`The row of ${topic.name}-${partition} was deleted, but the topic exists; it stays as it was`);
  }

  #changeRows(topicId: string, rows: readonly ChangedRow[]): void {
    const waiting = this.#waiting.get(topicId) ?? new Map<number, ChangedRow>();
    for (const row of rows) waiting.set(row.partition, row);
    const topic = this.#table.image.topicById(topicId);
    if (topic === undefined) {
      this.#waiting.set(topicId, waiting);
      const incomplete = this.#incomplete.get(topicId);
      if (incomplete !== undefined) this.#changeTopic(incomplete);
      return;
    }
    const shown = [...waiting.values()].sort((a, b) => a.partition - b.partition);
    let count = topic.partitions.length;
    const isNext = ({ partition }: ChangedRow) => partition < count || (partition === count && ++count > 0);
    const ready = shown.filter(isNext);
    for (const { partition } of ready) waiting.delete(partition);
    if (waiting.size === 0) this.#waiting.delete(topicId);
    else this.#waiting.set(topicId, waiting);
    this.#show(topic, ready);
  }

  #changeTopic(put: TopicPut): void {
    const { name, row, version } = put;
    const known = this.#table.image.topic(name);
    if (known?.id === row.id) {
      if (isSame(known.configs, row.configs)) this.#table.noteVersion(row.id, version);
      else this.#note(this.#table.configure(known, row.configs, version));
      return;
    }
    // After a reset of the watch, its deletion and its creation are one change.
    if (known !== undefined) this.#removeTopic(name);
    const waiting = [...this.#waiting.get(row.id)?.values() ?? []].sort((a, b) => a.partition - b.partition);
    if (waiting.length === 0 || waiting.some(({ partition }, index) => partition !== index)) {
      this.#incomplete.set(row.id, put);
      this.#parts.report(`Topic ${name} is not shown: rows below ${partitionsPrefix(row.id)} are missing`);
      return;
    }
    this.#waiting.delete(row.id);
    this.#incomplete.delete(row.id);
    const versions = { topic: version, partitions: waiting.map((one) => one.version) };
    const rows = waiting.map((one) => this.#led(row.id, one).row);
    const { changed: [topic] } = this.#table.add([{ name, id: row.id, configs: row.configs, rows, versions }]);
    this.#noteNew(topic as TopicImage);
    this.#note(topic as TopicImage);
  }

  #show(topic: TopicImage, rows: readonly ChangedRow[]): void {
    if (rows.length === 0) return;
    const { topic: changed, left } = this.#table.changeRows(topic, rows.map((row) => this.#led(topic.id, row)));
    for (const place of left) this.#left.push(place);
    if (left.length > 0) this.#lost.push({ ...topic, partitions: left });
    this.#noteNew(changed, topic.partitions);
    this.#noteMissing(topic, rows.map(({ partition }) => changed.partitions[partition]));
    this.#note(changed);
  }

  /** Looks for partitions whose logs this broker has lost, and can fetch again. While a log directory is offline, it may have them yet. */
  #noteMissing({ id, partitions: known }: TopicImage, partitions: readonly (PartitionImage | undefined)[]): void {
    const { nodeId } = this.#parts;
    if (!this.#isRegistered || !this.#table.directories.isComplete) return;
    for (const place of partitions) {
      const last = place === undefined ? undefined : known[place.partition];
      if (place === undefined || last === undefined || !isHere(last) || !isHere(place)) continue;
      if (place.directory !== OFFLINE_DIRECTORY || !mayBeginAnew(place, nodeId)) continue;
      this.#homeless.push({ topicId: id, partition: place.partition, isNew: false });
    }
  }

  /** The row as it is shown: without this broker as leader while this process is not registered. */
  #led(topicId: string, changed: ChangedRow): ChangedRow {
    const withheld = this.#withheld.get(topicId);
    if (this.#isRegistered || changed.row.leader !== this.#parts.nodeId) {
      withheld?.delete(changed.partition);
      return changed;
    }
    if (withheld === undefined) this.#withheld.set(topicId, new Map([[changed.partition, changed]]));
    else withheld.set(changed.partition, changed);
    return { ...changed, row: { ...changed.row, leader: NO_LEADER } };
  }

  #showWithheld(): void {
    const withheld = [...this.#withheld];
    this.#withheld.clear();
    for (const [topicId, rows] of withheld) {
      const topic = this.#table.image.topicById(topicId);
      if (topic !== undefined) this.#show(topic, [...rows.values()].sort((a, b) => a.partition - b.partition));
    }
    for (const topic of this.#table.image.topics()) this.#noteMissing(topic, topic.partitions);
  }

  #note(topic: TopicImage): void {
    this.#table.image.apply({ changed: [topic], deletedIds: [] });
    this.#changed.set(topic.id, topic);
  }

  /** Looks at partitions that are new here. @param before places that they had; none by default */
  #noteNew({ name, id, partitions }: TopicImage, before: TopicImage["partitions"] = []): void {
    let crowded = 0;
    for (const place of partitions) {
      const last = before[place.partition];
      if (last !== undefined && (last === place || last.replicas.includes(this.#parts.nodeId))) continue;
      if (!isHere(place)) crowded += place.replicas.includes(this.#parts.nodeId) ? 1 : 0;
      else if (this.#isLoaded && place.directory === OFFLINE_DIRECTORY) {
        this.#homeless.push({ topicId: id, partition: place.partition, isNew: true });
      }
    }
    if (crowded === 0) return;
    this.#parts.report(`This broker has no room for ${crowded} partitions of ${name}: they are offline`);
  }
}

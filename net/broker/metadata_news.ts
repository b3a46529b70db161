/**
 * What the log says about changes of the metadata: topics that come, go and change, quotas and users, and in a cluster other brokers, the
 * controller, and what happens to partitions that this broker has. Main isolate.
 *
 * A change may concern all partitions of a broker that has died: then one line has their number, and the names of the first.
 */
import { type ImageDelta, isHere, type MetadataImage, NO_CONTROLLER, NO_LEADER } from "../../partitions/control.ts";
import { firstNames, NAMED_MAX } from "../../storage/base/first_names.ts";
import { clientSentences } from "./client_news.ts";
import type { Log, LogFields } from "./operator_log.ts";

type TopicImage = ImageDelta["changed"][number];
type PartitionImage = TopicImage["partitions"][number];
type BrokerImage = NonNullable<ImageDelta["brokers"]>[number];

/** What it works with. */
export interface MetadataNewsParts {
  /** Of this broker. */
  readonly nodeId: number;
  readonly topics: Log;
  readonly cluster: Log;
}

/** Topics, groups, quotas and users of one change with a line of their own. */
const SENTENCES_MAX = 20;

/** Partitions about which a line says the same. */
class Found {
  readonly names: string[] = [];
  count = 0;

  /** @param detail what the line says of this one in particular */
  add(name: string, detail: string): void {
    this.count++;
    if (this.names.length < NAMED_MAX) this.names.push(`${name} (${detail})`);
  }

  get text(): string {
    return firstNames(this.names, { count: this.count });
  }

  get fields(): LogFields {
    return { partitionsCount: this.count };
  }
}

/** What happened to partitions in one change. */
class PartitionNews {
  readonly led = new Found();
  readonly given = new Found();
  readonly unled = new Found();
  readonly shrunk = new Found();
  readonly grown = new Found();
  readonly short = new Found();
  readonly unclean = new Found();
  readonly moving = new Found();
  readonly moved = new Found();

  /** Looks at one partition of this broker's. @param name "orders-0" @param before null when it is new */
  look(
    name: string,
    { before, now, nodeId }: { before: PartitionImage | null; now: PartitionImage; nodeId: number },
  ): void {
    const { leader, leaderEpoch, replicas } = now;
    if (leader === nodeId && before?.leader !== nodeId) this.led.add(name, `leader epoch ${leaderEpoch}`);
    if (before === null) return;
    if (before.leader === nodeId && leader !== nodeId && leader !== NO_LEADER) this.given.add(name, `broker ${leader}`);
    if (leader === NO_LEADER && before.leader !== NO_LEADER) {
      this.unled.add(name, `replicas ${replicas}`);
    }
    if (leader === nodeId) this.#lookAsLeader(name, before, now);
  }

  #lookAsLeader(name: string, before: PartitionImage, now: PartitionImage): void {
    const { isr, replicas, replication } = now;
    const left = before.isr.filter((id) => !isr.includes(id));
    const come = isr.filter((id) => !before.isr.includes(id));
    if (left.length > 0) this.shrunk.add(name, `${isr} of ${replicas}`);
    else if (come.length > 0) this.grown.add(name, `${isr} of ${replicas}`);
    const { minIsr = 0, recovering = false } = replication ?? {};
    if (isr.length < minIsr && before.isr.length >= minIsr) this.short.add(name, `${isr.length} of ${minIsr}`);
    if (recovering && before.replication?.recovering !== true) {
      this.unclean.add(name, `leader epoch ${now.leaderEpoch}`);
    }
    const [isMoving, wasMoving] = [now, before].map(({ adding = [], removing = [] }) =>
      adding.length + removing.length > 0
    );
    if (isMoving && !wasMoving) this.moving.add(name, `to ${replicas.filter((id) => !now.removing?.includes(id))}`);
    if (wasMoving && !isMoving) this.moved.add(name, `on ${replicas}`);
  }

  /** Writes a line for each kind that was found. */
  tell({ inform, warn }: Log): void {
    const say = (write: Log["inform"], found: Found, about: (partitions: string) => string) => {
      if (found.count === 0) return;
      write(`${about(found.count === 1 ? "1 partition" : `${found.count} partitions`)}: ${found.text}`, found.fields);
    };
    say(inform, this.led, (partitions) => `This broker leads ${partitions} more`);
    say(inform, this.given, (partitions) => `Others lead ${partitions} that this broker led`);
    say(warn, this.unled, (partitions) => `Nobody leads ${partitions} of this broker's`);
    say(
      warn,
      this.unclean,
      (partitions) => `Records may be lost, because this broker was elected uncleanly for ${partitions}`,
    );
    say(inform, this.shrunk, (partitions) => `Fewer replicas are in sync with this broker for ${partitions}`);
    say(
      warn,
      this.short,
      (partitions) => `Too few replicas are in sync for acks=all (min.insync.replicas) for ${partitions}`,
    );
    say(inform, this.grown, (partitions) => `More replicas are in sync with this broker for ${partitions}`);
    say(inform, this.moving, (partitions) => `Other brokers are to have ${partitions}`);
    say(inform, this.moved, (partitions) => `Reassignment has ended for ${partitions}`);
  }
}

/** The news of one broker. */
export class MetadataNews {
  readonly #parts: MetadataNewsParts;
  /** As the log has told of them. */
  readonly #topics = new Map<string, TopicImage>();
  #brokers: ReadonlyMap<number, BrokerImage> = new Map();
  #controllerId = NO_CONTROLLER;

  /** @param parts the broker's number, and where lines go */
  constructor(parts: MetadataNewsParts) {
    this.#parts = parts;
  }

  /** What is there at the start is no news. */
  begin(image: Pick<MetadataImage, "topics" | "brokers" | "controllerId">): void {
    for (const topic of image.topics()) this.#topics.set(topic.id, topic);
    this.#brokers = image.brokers;
    this.#controllerId = image.controllerId;
  }

  /** A change is being published. */
  published(delta: ImageDelta): void {
    const { changed, deletedIds, brokers, controllerId, groups = [] } = delta;
    const { topics: { inform }, cluster } = this.#parts;
    if (brokers !== undefined) this.#tellBrokers(brokers);
    if (controllerId !== undefined) this.#tellController(controllerId);
    const sentences: [string, LogFields][] = [];
    for (const id of deletedIds) {
      const topic = this.#topics.get(id);
      if (topic !== undefined) sentences.push([`Topic ${topic.name} was deleted`, { topic: topic.name }]);
      this.#topics.delete(id);
    }
    const partitions = new PartitionNews();
    for (const topic of changed) {
      const before = this.#topics.get(topic.id) ?? null;
      const sentence = sentenceOf(topic, before);
      if (sentence !== null) sentences.push([sentence, { topic: topic.name }]);
      this.#look(topic, before, partitions);
      this.#topics.set(topic.id, topic);
    }
    for (const { groupId, configs } of groups) {
      sentences.push([`Settings of group ${groupId} are now: ${settingsText(configs)}`, { group: groupId }]);
    }
    for (const about of clientSentences(delta)) sentences.push(about);
    for (const [sentence, fields] of sentences.slice(0, SENTENCES_MAX)) inform(sentence, fields);
    if (sentences.length > SENTENCES_MAX) inform(`… and ${sentences.length - SENTENCES_MAX} more changes at once`);
    partitions.tell(cluster);
  }

  /** Only a broker that is one of several has news of its partitions. */
  #look({ name, partitions }: TopicImage, before: TopicImage | null, news: PartitionNews): void {
    if (this.#brokers.size < 2) return;
    const { nodeId } = this.#parts;
    for (const [index, now] of partitions.entries()) {
      const last = before?.partitions[index] ?? null;
      if (last === now || !isHere(now)) continue;
      news.look(`${name}-${now.partition}`, { before: last, now, nodeId });
    }
  }

  #tellBrokers(brokers: readonly BrokerImage[]): void {
    const { nodeId: own, cluster: { inform, warn } } = this.#parts;
    const next = new Map(brokers.map((broker) => [broker.nodeId, broker]));
    for (const [nodeId, { state, advertised }] of next) {
      const before = this.#brokers.get(nodeId);
      const fields = { node: nodeId, state };
      if (nodeId === own || before?.state === state) continue;
      const [address] = advertised;
      if (before === undefined) {
        const at = address === undefined ? "" : ` at ${address.host}:${address.port}`;
        inform(`Broker ${nodeId}${at} has joined the cluster, and is ${state}`, fields);
      } else if (state === "fenced" && before.state === "stopping") inform(`Broker ${nodeId} has stopped`, fields);
      else if (state === "fenced") warn(`Broker ${nodeId} is fenced: it is silent or gone`, fields);
      else if (state === "stopping") inform(`Broker ${nodeId} stops, and gives away what it leads`, fields);
      else inform(`Broker ${nodeId} is active`, fields);
    }
    for (const nodeId of this.#brokers.keys()) {
      if (!next.has(nodeId)) inform(`Broker ${nodeId} is no more in the cluster`, { node: nodeId });
    }
    this.#brokers = next;
  }

  #tellController(controllerId: number): void {
    const { nodeId, cluster: { inform, warn } } = this.#parts;
    if (controllerId === this.#controllerId) return;
    this.#controllerId = controllerId;
    if (controllerId === NO_CONTROLLER) return warn("The cluster has no controller");
    const who = controllerId === nodeId ? `This broker, ${nodeId},` : `Broker ${controllerId}`;
    inform(`${who} is the controller of the cluster`, { node: controllerId });
  }
}

/** What happened to a topic as a whole; null: nothing that one reads about. */
function sentenceOf({ name, partitions, configs }: TopicImage, before: TopicImage | null): string | null {
  const count = partitions.length;
  if (before === null) {
    const settings = Object.keys(configs).length === 0 ? "" : `; ${settingsText(configs)}`;
    const replicas = partitions[0]?.replicas.length ?? 0;
    return `Topic ${name} was created: partitions ${count}, replicas ${replicas}${settings}`;
  }
  if (count > before.partitions.length) {
    return `Topic ${name} has ${count} partitions, ${before.partitions.length} before`;
  }
  const [now, last] = [settingsText(configs), settingsText(before.configs)];
  return now === last ? null : `Settings of topic ${name} are now: ${now}`;
}

function settingsText(configs: Readonly<Record<string, string>>): string {
  const settings = Object.entries(configs).map(([key, value]) => `${key}=${value}`);
  return settings.length === 0 ? "the defaults" : settings.join(", ");
}

/**
 * The `uniform` assignor: all members get the same number of partitions, and keep the partitions that they have as far as this allows.
 * Pure; any isolate. Kafka has one algorithm for groups with equal subscriptions and one for all others. This one serves both.
 *
 *   1. keep    every partition stays with its member if the member still subscribes to it
 *   2. assign  partitions without a member go to the least loaded subscriber, topics with few subscribers first
 *   3. balance while a member has two partitions more than another that subscribes to one of them, that partition moves
 *
 * Topics with the same subscribers form one class and are handled together. A group with equal subscriptions is a single class, so the
 * cost is members + partitions times a logarithm (1,000 members, 10,000 partitions: 3 ms warm to 40 ms cold).
 * Step 3 ends because every move reduces the sum of the squared loads. Its result is balanced: no single move improves it. With equal
 * subscriptions, loads differ by at most one. A long chain of members that each share one topic with the next needs thousands of passes
 * over many partitions: step 3 stops after `BALANCE_STEPS_MAX`, and the next assignment continues from there.
 * Source of the goals: Kafka's UniformAssignor.
 */
import { type Assignment, type AssignorInput, type AssignorMember, compareText, type Targets } from "./assignor.ts";
import { LoadHeap } from "./load_heap.ts";

/** Topics and the partitions of all topics are numbered. The partitions of topic t begin at `firsts[t]`. */
interface Numbering {
  readonly topicIds: readonly string[];
  readonly indexes: ReadonlyMap<string, number>;
  readonly firsts: Int32Array;
}

/** The assignment during the computation. Members and partitions are numbers. */
interface Board {
  /** Member of each partition, `NOBODY` for none. */
  readonly owners: Int32Array;
  /** Partitions of each member. */
  readonly loads: Int32Array;
  /** 1 for members whose partitions differ from their old target. */
  readonly changed: Uint8Array;
}

/** Topics with the same subscribers. */
interface TopicClass {
  readonly partitions: readonly number[];
  readonly subscribers: readonly number[];
}

const NOBODY = -1;
/** Most partitions that step 3 visits, each once a pass: about 0.3 s. Most groups need a handful of passes. */
const BALANCE_STEPS_MAX = 1 << 24;

/** Assigns partitions evenly. @returns the targets of all members */
export function assignUniform({ members: unsorted, partitionsCountOf }: AssignorInput): Targets {
  // The order of members breaks ties. It is by id, so the same group always gets the same assignment.
  const members = [...unsorted].sort((one, other) => compareText(one.memberId, other.memberId));
  const subscriptions = new Set(members.map(({ topicIds }) => topicIds));
  const numbering = numberTopics(subscriptions, partitionsCountOf);
  const partitionsCount = numbering.firsts[numbering.topicIds.length]!;
  const board: Board = {
    owners: new Int32Array(partitionsCount).fill(NOBODY),
    loads: new Int32Array(members.length),
    changed: new Uint8Array(members.length),
  };
  members.forEach((member, index) => keep(board, { member, index, numbering }));
  const classes = classify(members, subscriptions, numbering);
  for (const topicClass of classes) assignUnowned(board, topicClass);
  balance(board, classes);
  return targetsOf(board, members, numbering);
}

function numberTopics(
  subscriptions: Iterable<ReadonlySet<string>>,
  partitionsCountOf: (topicId: string) => number,
): Numbering {
  const known = new Set<string>();
  for (const subscription of subscriptions) for (const topicId of subscription) known.add(topicId);
  // The order is that of the subscriptions, which is by topic name: a restart does not change it.
  const topicIds = [...known];
  const firsts = new Int32Array(topicIds.length + 1);
  const indexes = new Map<string, number>();
  topicIds.forEach((topicId, index) => {
    indexes.set(topicId, index);
    firsts[index + 1] = firsts[index]! + partitionsCountOf(topicId);
  });
  return { topicIds, indexes, firsts };
}

function keep(
  { owners, loads, changed }: Board,
  { member, index, numbering }: { member: AssignorMember; index: number; numbering: Numbering },
): void {
  for (const [topicId, partitions] of member.assignment) {
    const topic = member.topicIds.has(topicId) ? numbering.indexes.get(topicId)! : -1;
    const first = topic === -1 ? 0 : numbering.firsts[topic]!;
    const end = topic === -1 ? 0 : numbering.firsts[topic + 1]!;
    for (const partition of partitions) {
      const position = first + partition;
      if (position >= end || owners[position] !== NOBODY) {
        changed[index] = 1;
        continue;
      }
      owners[position] = index;
      loads[index]!++;
    }
  }
}

/** Splits the topics by every distinct subscription in turn. Topics that are still together then have the same subscribers. */
function classify(
  members: readonly AssignorMember[],
  subscriptions: Iterable<ReadonlySet<string>>,
  { topicIds, indexes, firsts }: Numbering,
): TopicClass[] {
  const classOf = new Int32Array(topicIds.length);
  let classesCount = 1;
  for (const subscription of subscriptions) {
    const splits = new Map<number, number>();
    for (const topicId of subscription) {
      const topic = indexes.get(topicId)!;
      const before = classOf[topic]!;
      let after = splits.get(before);
      if (after === undefined) splits.set(before, after = classesCount++);
      classOf[topic] = after;
    }
  }
  const found = new Map<number, { partitions: number[]; subscribers: number[] }>();
  topicIds.forEach((topicId, topic) => {
    let topicClass = found.get(classOf[topic]!);
    if (topicClass === undefined) {
      topicClass = { partitions: [], subscribers: subscribersOf(topicId, members) };
      found.set(classOf[topic]!, topicClass);
    }
    for (let position = firsts[topic]!; position < firsts[topic + 1]!; position++) topicClass.partitions.push(position);
  });
  return [...found.values()].sort((one, other) => one.subscribers.length - other.subscribers.length);
}

function subscribersOf(topicId: string, members: readonly AssignorMember[]): number[] {
  const subscribers: number[] = [];
  members.forEach(({ topicIds }, index) => {
    if (topicIds.has(topicId)) subscribers.push(index);
  });
  return subscribers;
}

function assignUnowned({ owners, loads, changed }: Board, { partitions, subscribers }: TopicClass): void {
  let heap: LoadHeap | null = null;
  for (const position of partitions) {
    if (owners[position] !== NOBODY) continue;
    heap ??= new LoadHeap(subscribers, loads, "least");
    const member = heap.top;
    owners[position] = member;
    loads[member]!++;
    changed[member] = 1;
    heap.siftTop();
  }
}

function balance(board: Board, classes: readonly TopicClass[]): void {
  for (let steps = 0; steps < BALANCE_STEPS_MAX; steps += board.owners.length) {
    let moves = 0;
    for (const topicClass of classes) moves += balanceClass(board, topicClass);
    if (moves === 0) return;
  }
}

/**
 * Moves partitions of a class from the most to the least loaded members. A giver is in the heap of takers too, which does not notice that
 * the giver's load falls. The order stays correct: the most loaded member gives first and stops one above the least load.
 */
function balanceClass(board: Board, { partitions, subscribers }: TopicClass): number {
  const { owners, loads, changed } = board;
  if (!isUneven(board, partitions, subscribers)) return 0;
  const owned = new Map<number, number[]>();
  for (const position of partitions) {
    const list = owned.get(owners[position]!);
    if (list === undefined) owned.set(owners[position]!, [position]);
    else list.push(position);
  }
  const givers = new LoadHeap([...owned.keys()], loads, "most");
  const takers = new LoadHeap(subscribers, loads, "least");
  let moves = 0;
  for (;;) {
    const giver = givers.top;
    const taker = takers.top;
    if (giver === -1 || loads[giver]! - loads[taker]! < 2) return moves;
    const list = owned.get(giver)!;
    owners[list.pop()!] = taker;
    loads[giver]!--;
    loads[taker]!++;
    changed[giver] = changed[taker] = 1;
    moves++;
    if (list.length === 0) givers.removeTop();
    else givers.siftTop();
    takers.siftTop();
  }
}

function isUneven(
  { owners, loads }: Board,
  partitions: readonly number[],
  subscribers: readonly number[],
): boolean {
  let least = Infinity;
  for (const member of subscribers) least = Math.min(least, loads[member]!);
  for (const position of partitions) if (loads[owners[position]!]! - least > 1) return true;
  return false;
}

function targetsOf(
  { owners, changed }: Board,
  members: readonly AssignorMember[],
  { topicIds, firsts }: Numbering,
): Targets {
  const targets = new Map<string, Assignment>();
  const lists = members.map(({ memberId, assignment }, index) => {
    const target: Map<string, number[]> | null = changed[index] === 1 ? new Map() : null;
    targets.set(memberId, target ?? assignment);
    return target;
  });
  topicIds.forEach((topicId, topic) => {
    const first = firsts[topic]!;
    for (let position = first; position < firsts[topic + 1]!; position++) {
      const target = lists[owners[position]!];
      if (target === null || target === undefined) continue;
      const partitions = target.get(topicId);
      if (partitions === undefined) target.set(topicId, [position - first]);
      else partitions.push(position - first);
    }
  });
  return targets;
}

/**
 * Watches a topic and a group from outside: it writes records to every partition, asks for the group's committed offsets again and
 * again, and checks what members read and committed. Main isolate of a test.
 *
 * What must hold: a partition's committed offset never moves back, never passes the log end, and every record below it was read by
 * a member; a member reads a partition in order without a gap between two changes of its partitions; at the end every record
 * was read and the committed offset is the log end.
 */
import assert from "node:assert/strict";
import { waitFor } from "../../bench/peer/processes.ts";
import { wireBatch } from "../../bench/peer/wire_bytes.ts";
import { NONE, type TopicPartition, WireClient } from "../../bench/peer/wire_client.ts";
import type { GroupMember } from "./group_member.ts";
import { committedOffsets, isClassicGroup } from "./wire_groups.ts";

/** Time between two looks at the committed offsets, and between two writes of the trickle. */
const PERIOD_MS = 40;
/** Time to wait after the last records where a committed offset may have moved back. */
const RECOMMIT_MS = 3000;

/** Watches one group on one topic until disposal. */
export class GroupWatch implements AsyncDisposable {
  readonly topic: string;
  readonly group: string;
  readonly partitions: number;
  /** True if the library has the fault that members read and commit records that they had fetched before a rebalance. */
  mayMoveBack = false;
  /** All members so far, also those that have ended. */
  readonly members: GroupMember[] = [];
  #writer: WireClient;
  #reader: WireClient;
  /** Number of acknowledged records by partition. */
  readonly #ends: number[];
  /** Number of sent records by partition: a member may read one before its acknowledgement arrives. */
  readonly #sent: number[];
  readonly #committed: number[];
  #loops: Promise<void>[] = [];
  #trickling = false;
  /** True: the trickle writes once more after it was stopped. */
  #extra = false;
  /** The trickle's write that is under way. */
  #writing: Promise<void> = Promise.resolve();
  #over = false;
  #failure: unknown = null;

  private constructor(
    writer: WireClient,
    reader: WireClient,
    names: { topic: string; group: string },
    partitions: number,
  ) {
    this.#writer = writer;
    this.#reader = reader;
    this.topic = names.topic;
    this.group = names.group;
    this.partitions = partitions;
    this.#ends = Array(partitions).fill(0);
    this.#sent = Array(partitions).fill(0);
    this.#committed = Array(partitions).fill(-1);
  }

  /** Creates the topic and starts to watch. */
  static async start(
    port: number,
    names: { readonly topic: string; readonly group: string },
    partitions: number,
  ): Promise<GroupWatch> {
    const writer = await WireClient.connect(port);
    await writer.createTopic(names.topic, partitions);
    const watch = new GroupWatch(writer, await WireClient.connect(port), names, partitions);
    watch.#startLoops();
    return watch;
  }

  /**
   * Closes the connections while `change` replaces the broker by another on the same port with the same directory.
   * Afterwards no acknowledged commit may be missing.
   */
  async across(port: number, change: () => Promise<void>): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
    this.#writer[Symbol.dispose]();
    this.#reader[Symbol.dispose]();
    await change();
    this.#writer = await WireClient.connect(port);
    this.#reader = await WireClient.connect(port);
    await this.#writer.createTopic(this.topic, this.partitions); // waits until its partitions are led
    this.#over = false;
    const acknowledged = this.members.flatMap((each) => each.commits);
    await this.until("the coordinator has loaded", async () => {
      return (await committedOffsets(this.#reader, this.group, this.#wanted())).length === this.partitions;
    });
    await this.#look();
    for (const { partition, offset } of acknowledged) {
      const now = this.#committed[partition]!;
      assert(
        now >= offset,
        `${this.group}: acknowledged offset ${offset} of partition ${partition} is there, not ${now}`,
      );
    }
    this.#startLoops();
  }

  #startLoops(): void {
    this.#loops = [
      this.#repeat(() => this.#look()),
      this.#repeat(async () => {
        if (!this.#trickling && !this.#extra) return;
        this.#extra = false;
        await (this.#writing = this.write(1));
      }),
    ];
  }

  /** Appends one batch of `count` records to every partition. */
  async write(count: number): Promise<void> {
    for (let partition = 0; partition < this.partitions; partition++) {
      const records = Array.from({ length: count }, () => ({ key: null, value: new Uint8Array(20) }));
      const batch = wireBatch(records);
      this.#sent[partition]! += count;
      const { errorCode, baseOffset } = await this.#writer.produce({ topic: this.topic, partition }, batch);
      assert.equal(errorCode, NONE, `produce to ${this.topic}-${partition}`);
      assert.equal(baseOffset, this.#ends[partition], "nobody else writes");
      this.#ends[partition]! += count;
    }
  }

  /** Writes a record to every partition again and again, until `untilAllCommitted()`. */
  trickle(): void {
    this.#trickling = true;
  }

  /** The last seen committed offsets; -1 where there is none. */
  get committed(): readonly number[] {
    return this.#committed;
  }

  /** The log ends, which follow from what was written. */
  get ends(): readonly number[] {
    return this.#ends;
  }

  /** Waits until a condition of the members holds. */
  async until(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
    const failed = () => this.#failure !== null || this.members.some((member) => member.failed);
    let cause: unknown = null;
    try {
      await waitFor(`${this.group}: ${what}`, async () => {
        return failed() || await condition() ? true : undefined;
      }, timeoutMs);
    } catch (error) {
      cause = error;
    }
    cause ??= this.#failure;
    if (cause === null && !failed()) return;
    const seen = `written ${this.#ends}, committed ${this.#committed}`;
    const message = [`${this.group}: ${what}`, seen, ...this.members.map((each) => each.tail())].join("\n");
    throw new Error(message, { cause });
  }

  /** Waits until exactly these members have all partitions, each at least one. */
  async untilShared(members: readonly GroupMember[], timeoutMs?: number): Promise<void> {
    const all = Array.from({ length: this.partitions }, (_, partition) => partition);
    await this.until(`${members.map((each) => each.name)} share all partitions`, () => {
      const owners = all.map((partition) => members.filter((each) => each.owns(partition)).length);
      return owners.every((count) => count === 1) && members.every((each) => (each.owned?.length ?? 0) > 0);
    }, timeoutMs);
  }

  /** Stops writing, and waits until everything written is committed. */
  async untilAllCommitted(timeoutMs?: number): Promise<void> {
    const isAllCommitted = () => this.#committed.every((offset, partition) => offset === this.#ends[partition]);
    this.#trickling = false;
    // An offset that was committed too low stays so until there is more to commit.
    const more = setInterval(() => this.#extra = this.mayMoveBack && !isAllCommitted(), RECOMMIT_MS);
    try {
      do {
        await this.#writing; // until it has reached every partition
        await this.until("everything is committed", isAllCommitted, timeoutMs);
        this.#extra = false;
        await this.#writing;
      } while (!isAllCommitted());
    } finally {
      clearInterval(more);
    }
  }

  /** True when the group uses the classic protocol. It must have members. */
  isClassic(): Promise<boolean> {
    return isClassicGroup(this.#writer, this.group);
  }

  /** Checks everything that members printed. The committed offsets are checked at each look. */
  verify(): void {
    if (this.#failure !== null) throw this.#failure;
    const read = readOffsets(this.members, this.partitions);
    this.#ends.forEach((end, partition) => {
      for (let offset = 0; offset < end; offset++) {
        if (read[partition]!.has(offset)) continue;
        const reads = this.members.map((each) => `${each.name}: ${around(each, partition, offset)}`);
        assert.fail(`${this.group}: nobody read record ${offset} of partition ${partition}\n${reads.join("\n")}`);
      }
      assert.equal(
        read[partition]!.size,
        end,
        `${this.group}: nothing beyond the end of partition ${partition} was read`,
      );
    });
    if (this.mayMoveBack) return;
    for (const member of this.members) {
      assertInOrder(member);
      assertCommitsFollowReads(member);
    }
  }

  async #look(): Promise<void> {
    for (const { partition, offset } of await committedOffsets(this.#reader, this.group, this.#wanted())) {
      const before = this.#committed[partition]!;
      const at = `${this.group}: committed offset of partition ${partition}`;
      assert(this.mayMoveBack || offset >= before, `${at} does not move back: ${before}, then ${offset}`);
      assert(offset <= this.#sent[partition]!, `${at}, ${offset}, is not above the log end ${this.#sent[partition]}`);
      this.#committed[partition] = offset;
    }
  }

  #wanted(): TopicPartition[] {
    return this.#ends.map((_, partition) => ({ topic: this.topic, partition }));
  }

  async #repeat(step: () => Promise<void>): Promise<void> {
    while (!this.#over && this.#failure === null) {
      try {
        await step();
      } catch (error) {
        this.#failure ??= error;
      }
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
    await Promise.all(this.members.map((each) => each.kill()));
    this.#writer[Symbol.dispose]();
    this.#reader[Symbol.dispose]();
  }
}

/** Offsets that any member read, by partition. */
function readOffsets(members: readonly GroupMember[], partitions: number): Set<number>[] {
  const read = Array.from({ length: partitions }, () => new Set<number>());
  for (const member of members) {
    for (const record of member.reads) {
      if (record !== null) read[record.partition]!.add(record.offset);
    }
  }
  return read;
}

/** What a member read of a partition around an offset, with bars where its partitions changed. */
function around(member: GroupMember, partition: number, offset: number): string {
  const read = member.reads.map((each) => each === null ? "|" : each.partition === partition ? each.offset : null);
  const near = read.filter((each) => each === "|" || each !== null && Math.abs(each - offset) < 10);
  return near.join(" ").replaceAll(/(\| ?)+/g, "| ");
}

/** Between two changes of its partitions, a member reads each without a gap; it may go back, and then continue where it was. */
export function assertInOrder(member: Pick<GroupMember, "name" | "reads">): void {
  const next = new Map<number, number>();
  for (const record of member.reads) {
    if (record === null) {
      next.clear();
      continue;
    }
    const expected = next.get(record.partition);
    if (expected !== undefined) {
      const at = `${member.name} reads partition ${record.partition} without a gap`;
      assert(record.offset <= expected, `${at}: ${record.offset}, expected ${expected}`);
    }
    next.set(record.partition, Math.max(expected ?? 0, record.offset + 1));
  }
}

/** A member commits only what it has read, and never moves an offset back. */
export function assertCommitsFollowReads(member: Pick<GroupMember, "name" | "reads" | "commits">): void {
  const read = new Set(member.reads.map((record) => record === null ? "" : `${record.partition} ${record.offset}`));
  const last = new Map<number, number>();
  for (const { partition, offset } of member.commits) {
    assert(read.has(`${partition} ${offset - 1}`), `${member.name} has read what it commits: ${partition} ${offset}`);
    assert(offset >= (last.get(partition) ?? 0), `${member.name} does not commit back: ${partition} ${offset}`);
    last.set(partition, offset);
  }
}

/**
 * Offset commits of one turn, written as one batch: a write and a batch header for many commits instead of one each. Who commits is
 * answered when the batch is in the log. Runs on shards.
 *
 * Always: what a group does after it allowed a commit comes behind the commit in the log, because whoever appends or reads
 * settles first; a commit that cannot be written refuses none of the others.
 */
import { errorCode } from "../../../../net/protocol/error_codes.ts";
import type { GroupLog } from "../group_ports.ts";
import type { Reply } from "../../runtime/coordinator.ts";
import type { OffsetCommitRecord } from "../records/group_record.ts";
import type { PlannedCommit } from "./offsets.ts";

/** Records that are gathered at most before they are written. */
const RECORDS_MAX = 1000;

interface Gathered {
  readonly plan: PlannedCommit;
  readonly reply: Reply<PlannedCommit["response"]>;
}

/** Commits on their way into the log. */
export class GatheredCommits {
  readonly #log: GroupLog;
  readonly #replay: (record: OffsetCommitRecord) => void;
  #records: OffsetCommitRecord[] = [];
  #gathered: Gathered[] = [];

  /** @param replay applies a record that is in the log */
  constructor(log: GroupLog, replay: (record: OffsetCommitRecord) => void) {
    this.#log = log;
    this.#replay = replay;
  }

  /** Whether there is something to write. */
  get isEmpty(): boolean {
    return this.#gathered.length === 0;
  }

  /** Adds a commit that the group allowed, with at least one record. */
  add(plan: PlannedCommit, reply: Reply<PlannedCommit["response"]>): void {
    if (this.#records.length > 0 && this.#records.length + plan.records.length > RECORDS_MAX) this.settle();
    for (const record of plan.records) this.#records.push(record);
    this.#gathered.push({ plan, reply });
  }

  /** Writes all that was gathered and answers it. */
  settle(): void {
    if (this.#gathered.length === 0) return;
    const [records, gathered] = [this.#records, this.#gathered];
    [this.#records, this.#gathered] = [[], []];
    const code = this.#log.append(records);
    if (code === errorCode.UNKNOWN_SERVER_ERROR && gathered.length > 1) {
      // Too large together, or one of them is by itself: each for itself then.
      for (const one of gathered) this.#finish([one], one.plan.records, this.#log.append(one.plan.records));
    } else this.#finish(gathered, records, code);
  }

  #finish(gathered: readonly Gathered[], records: readonly OffsetCommitRecord[], code: number): void {
    if (code === errorCode.NONE) {
      for (const record of records) this.#replay(record);
    }
    for (const { plan, reply } of gathered) {
      if (code !== errorCode.NONE) {
        for (const partition of plan.known) partition.errorCode = code;
      }
      reply(plan.response);
    }
  }
}

/** What tests of partitions ask and get. Tests only. */
import { deleteRecords } from "../questions/delete_records.ts";
import type { Offset } from "../../storage/base/units.ts";
import { epochEnd } from "../questions/epoch_end.ts";
import { listOffsets } from "../questions/list_offsets.ts";
import type { Answered, AnswerWaiter, Question } from "../questions/question.ts";
import type {
  AppendOutcome,
  AppendWaiter,
  DeletionOutcome,
  EpochEndOutcome,
  ListOffsetOutcome,
  ReadOutcome,
  ReadWaiter,
} from "../requests/outcomes.ts";
import { emptyReadOutcome } from "../requests/outcomes.ts";

/** Collects answers. Outcomes are copied, because they are valid during the call only. */
export class Answers implements AppendWaiter, ReadWaiter {
  readonly appended: (AppendOutcome & { tag: number })[] = [];
  readonly read: (ReadOutcome & { tag: number })[] = [];
  readonly listed: (ListOffsetOutcome & { tag: number })[] = [];
  readonly ended: (EpochEndOutcome & { tag: number })[] = [];
  readonly deleted: (DeletionOutcome & { lowWatermark: Offset; tag: number })[] = [];
  /** The waiter for answers to a question. */
  readonly listing = asking(listOffsets, this.listed);
  readonly ending = asking(epochEnd, this.ended);
  readonly deleting = asking(deleteRecords, this.deleted);
  readonly #outcomes = new Map<number, ReadOutcome>();

  onAppended(tag: number, outcome: AppendOutcome): void {
    this.appended.push({ ...outcome, tag });
  }
  outcomeOf(tag: number): ReadOutcome {
    const outcome = this.#outcomes.get(tag) ?? emptyReadOutcome();
    this.#outcomes.set(tag, outcome);
    return outcome;
  }
  onRead(tag: number): void {
    this.read.push({ ...this.outcomeOf(tag), tag });
  }
}

/** Asks a question and collects the answers. */
function asking<Ask extends object, Answer extends object>(
  question: Question<Ask, Answer>,
  answers: (Answered<Answer> & { tag: number })[],
): AnswerWaiter<Ask, Answer> {
  return { question, onAnswer: (tag, answer) => void answers.push({ ...answer, tag }) };
}

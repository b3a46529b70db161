import { strict as assert } from "node:assert";
import { errorCode } from "../../../net/protocol/error_codes.ts";
import { ManualClock } from "../../../storage/base/clock.ts";
import { toOffset } from "../../../storage/base/units.ts";
import { Purgatory } from "../../requests/purgatory.ts";
import { InterestTable } from "../../shared/watermarks.ts";
import { HeldReplies } from "./held_replies.ts";

const interest = new InterestTable(InterestTable.allocate(1));

class Setting {
  readonly clock = new ManualClock();
  readonly purgatory = new Purgatory(interest, 0);
  readonly log = {
    slot: 3,
    highWatermark: toOffset(0),
    isOpen: true,
    leadership: 1,
    log: { logEndOffset: toOffset(0) },
  };
  readonly replies = new HeldReplies(this.log, {
    purgatory: this.purgatory,
    nowMs: () => this.clock.monotonicMs(),
    waitMsMax: 5000,
  });
  readonly sent: [name: string, code: number][] = [];

  add(name: string): void {
    this.replies.add((code) => void this.sent.push([name, code]));
  }

  append(logEndOffset: number): void {
    this.log.log.logEndOffset = toOffset(logEndOffset);
  }

  replicate(highWatermark: number): void {
    this.log.highWatermark = toOffset(highWatermark);
    this.purgatory.markProgress(3);
    this.purgatory.checkMarked();
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.purgatory.expire(this.clock.monotonicMs());
  }
}

Deno.test("add() sends a reply at once when the high watermark covers its records", () => {
  const test = new Setting();
  test.add("a");
  assert.deepEqual(test.sent, [["a", 0]]);
  assert.equal(test.purgatory.waitingCount, 0);
});

Deno.test("add() holds replies until the high watermark covers the records before them, and keeps their order", () => {
  const test = new Setting();
  test.append(5);
  test.add("a");
  test.append(8);
  test.add("b");
  test.add("c");
  test.replicate(4);
  assert.deepEqual(test.sent, []);
  test.replicate(5);
  assert.deepEqual(test.sent, [["a", 0]]);
  test.replicate(8);
  assert.deepEqual(test.sent, [["a", 0], ["b", 0], ["c", 0]]);
  assert.equal(test.purgatory.waitingCount, 0);
  test.add("d");
  assert.equal(test.sent.length, 4);
});

Deno.test("add() answers with an error after five seconds, counted for each reply by itself", () => {
  const test = new Setting();
  test.append(5);
  test.add("a");
  test.advance(3000);
  test.add("b");
  test.advance(2000);
  assert.deepEqual(test.sent, [["a", errorCode.COORDINATOR_NOT_AVAILABLE]]);
  test.replicate(5);
  assert.deepEqual(test.sent.slice(1), [["b", 0]]);
});

Deno.test("replies of a leadership that has ended are answered NOT_COORDINATOR, also if the high watermark of a later one covers them", () => {
  const test = new Setting();
  test.append(5);
  test.add("a");
  test.log.leadership = 3;
  test.replicate(5);
  test.add("b");
  assert.deepEqual(test.sent, [["a", errorCode.NOT_COORDINATOR], ["b", errorCode.NOT_COORDINATOR]]);
  assert.equal(test.purgatory.waitingCount, 0);
});

Deno.test("onProgress() answers NOT_COORDINATOR what is not covered when the log went offline, because its flush failed", () => {
  const test = new Setting();
  test.append(5);
  test.add("a");
  test.append(8);
  test.add("b");
  test.log.isOpen = false;
  test.replicate(5);
  assert.deepEqual(test.sent, [["a", 0], ["b", errorCode.NOT_COORDINATOR]]);
  assert.equal(test.purgatory.waitingCount, 0);
});

Deno.test("fail() answers all waiting replies, none of them twice", () => {
  const test = new Setting();
  test.append(5);
  test.add("a");
  test.add("b");
  test.replies.fail(errorCode.NOT_COORDINATOR);
  assert.deepEqual(test.sent, [["a", errorCode.NOT_COORDINATOR], ["b", errorCode.NOT_COORDINATOR]]);
  test.replicate(5);
  test.advance(10_000);
  assert.equal(test.sent.length, 2);
});

/**
 * Entry module of a flush worker: executes the flushes that acknowledgements wait for, for all shards, in one log directory: a disk that is
 * slow, or never ends a flush, delays no other directory. It blocks in `epoll_wait` until a shard sends some, and in `fdatasync` until
 * the disk has them. So a flush costs two wake-ups, of this worker and of the shard, and takes no time of the main isolate. An error
 * is a bug, and ends the broker (flush_worker_host.ts).
 *
 * It ends when it was idle for long, or when the broker stops. Then it writes that it does not serve, and looks into its rings once
 * more: see flush_line.ts.
 */
/// <reference lib="deno.worker" />
import { flushFilesHere } from "../../storage/sys/blocking_flush.ts";
import { Epoll, READABLE } from "../../storage/sys/epoll.ts";
import { askForShortSlices } from "../../storage/sys/scheduling.ts";
import type { Inbox } from "../shared/mail.ts";
import type { RingRecord } from "../shared/ring.ts";
import { flushInbox, flushWorkerOutboxes, FlushWorkerWords } from "../shared/shared_state.ts";
import { FLUSH_WORKER } from "../shared/words.ts";
import type { FlushWorkerStart } from "./flush_worker_host.ts";
import { FlushRounds } from "./flush_rounds.ts";

declare const self: DedicatedWorkerGlobalScope;

self.onmessage = async ({ data: { state, directory, idleMs } }: MessageEvent<FlushWorkerStart>) => {
  askForShortSlices();
  using epoll = new Epoll(1);
  epoll.add(state.flushEventFds[directory] as number, READABLE);
  const words = new FlushWorkerWords(state, directory);
  const mail = flushInbox(state, directory);
  const rounds = new FlushRounds(flushWorkerOutboxes(state, directory), flushFilesHere);
  const receive = (shard: number, record: RingRecord) => void rounds.receive(shard, record);
  const isStopping = () => words.get(FLUSH_WORKER.stopping) === 1;
  words.set(FLUSH_WORKER.isServing, 1);
  for (let isOver = false; !isOver;) {
    mail.drain(receive);
    if (!rounds.isEmpty) await rounds.run();
    else if (isStopping() || !waitForMail({ epoll, mail, idleMs })) {
      words.set(FLUSH_WORKER.isServing, 0);
      isOver = !hasMail(mail);
      if (!isOver) words.set(FLUSH_WORKER.isServing, 1);
    }
  }
  self.postMessage("ended");
  self.close();
};

/** Waits until a shard has sent something, or the main isolate. @returns false when nothing came for a long time */
function waitForMail({ epoll, mail, idleMs }: { epoll: Epoll; mail: Inbox; idleMs: number }): boolean {
  const untilMs = performance.now() + idleMs;
  const parked = mail.park();
  const events = epoll.wait(parked ? idleMs : 0);
  if (parked) mail.unpark();
  if (events > 0) mail.clear();
  return !parked || events > 0 || performance.now() < untilMs;
}

function hasMail(mail: Inbox): boolean {
  const isEmpty = mail.park();
  if (isEmpty) mail.unpark();
  return !isEmpty;
}

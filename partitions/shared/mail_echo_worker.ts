/** Tests only (mail_test.ts): a shard that sends every record back until one holds 0. It reports a wait that timed out. */
/// <reference lib="deno.worker" />
import { Epoll, READABLE } from "../../storage/sys/epoll.ts";
import { inbox, outboxes, type SharedState } from "./shared_state.ts";

declare const self: DedicatedWorkerGlobalScope;

const SHARD = 1;
/** Longer than any delay of the machine: a wait takes that long only when a wake-up was lost. */
const WAIT_MS_MAX = 20_000;

self.onmessage = ({ data: state }: MessageEvent<SharedState>) => {
  using epoll = new Epoll(1);
  const mail = inbox(state, SHARD);
  const [toPeer] = outboxes(state, SHARD);
  if (toPeer === undefined) throw new Error("The peer has a ring");
  const eventFd = state.eventFds[SHARD] as number;
  epoll.add(eventFd, READABLE);
  for (let isOver = false; !isOver;) {
    const parked = mail.park();
    const events = epoll.wait(parked ? WAIT_MS_MAX : 0);
    if (parked) mail.unpark();
    if (events > 0) mail.clear();
    else if (parked) isOver = true;
    mail.drain((_sender, { ints, int }) => {
      const value = ints[int + 1] as number;
      isOver ||= value === 0;
      const answer = toPeer.begin(1);
      answer.ints[answer.int + 1] = value;
      toPeer.commit();
    });
    toPeer.flush();
  }
  self.postMessage("ended");
};

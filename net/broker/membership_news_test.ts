import assert from "node:assert/strict";
import type { LifeState } from "../../partitions/cluster/broker_life.ts";
import { MembershipNews, type MembershipNewsParts } from "./membership_news.ts";

function scene() {
  const told: string[] = [];
  const timers = new Set<() => void>();
  const listeners = new Set<() => void>();
  const membership = {
    state: "registering" as LifeState,
    isRegistered: false,
    obstacle: "no broker is the controller",
    image: {
      controller: { broker: 3 },
      follow(listener: () => void) {
        listeners.add(listener);
        return { [Symbol.dispose]: () => void listeners.delete(listener) };
      },
    },
  };
  const news = new MembershipNews({
    membership: membership as unknown as MembershipNewsParts["membership"],
    warn: (sentence) => told.push(`warning: ${sentence}`),
    inform: (sentence) => told.push(sentence),
    after: (_ms, callback) => {
      timers.add(callback);
      return () => timers.delete(callback);
    },
  });
  const isNow = (state: LifeState) => {
    membership.state = state;
    for (const listener of listeners) listener();
  };
  const timePasses = () => timers.forEach((timer) => timer());
  const take = () => told.splice(0);
  return { news, membership, isNow, timePasses, take, timers, listeners };
}

Deno.test("MembershipNews says for what a slow start waits, and nothing of a fast one", async () => {
  const { news, membership, timePasses, take, timers } = scene();
  await news.starting(Promise.resolve());
  timePasses();
  assert.deepEqual(take(), []);
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = news.starting(promise);
  timePasses();
  assert.deepEqual(take(), ["This broker waits to be registered in its cluster: no broker is the controller"]);
  resolve();
  await slow;
  const active = news.starting(Promise.reject(new Error("no")));
  Object.assign(membership, { isRegistered: true, obstacle: "x" });
  timePasses();
  assert.deepEqual(take(), ["This broker waits to become active in its cluster: x"]);
  await assert.rejects(active, /no/);
  assert.equal(timers.size, 0);
});

Deno.test("MembershipNews says once that the broker is fenced, with the reason, and that it is active again", () => {
  const { news, membership, isNow, take, listeners } = scene();
  news.follow();
  isNow("active");
  assert.deepEqual(take(), []);
  membership.obstacle = "Broker at a:1: it has another secret";
  isNow("fenced");
  isNow("fenced");
  assert.deepEqual(take(), [
    "warning: This broker is fenced, and leads nothing until it is active again: Broker at a:1: it has another secret",
  ]);
  isNow("active");
  isNow("active");
  assert.deepEqual(take(), ["This broker is active again"]);
  news[Symbol.dispose]();
  assert.equal(listeners.size, 0);
});

Deno.test("MembershipNews says whom a slow stop waits for, and no more that the broker is fenced", async () => {
  const { news, membership, isNow, timePasses, take } = scene();
  news.follow();
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = news.stopping(promise, 300_000);
  isNow("fenced");
  timePasses();
  const rest = "to give others what it leads, for 300 s at most; another signal stops it at once";
  assert.deepEqual(take(), [`This broker still waits for the controller, broker 3, ${rest}`]);
  resolve();
  await slow;
  Object.assign(membership.image, { controller: null });
  void news.stopping(new Promise(() => {}), 300_000);
  timePasses();
  assert.deepEqual(take(), [`This broker still waits for a controller ${rest}`]);
});

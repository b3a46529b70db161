import { strict as assert } from "node:assert";
import { clearEvent, createEvent, Epoll, eventLayout, READABLE, signalEvent } from "./epoll.ts";
import { closeDescriptor } from "./sockets.ts";

Deno.test("eventLayout() is packed on x86-64 and aligned on AArch64", () => {
  assert.deepEqual(eventLayout("x86_64"), { dataAt: 4, eventBytes: 12 });
  assert.deepEqual(eventLayout("aarch64"), { dataAt: 8, eventBytes: 16 });
});

Deno.test("Epoll.wait() reports every ready descriptor at its own index, and at most as many as asked for", () => {
  const events = Array.from({ length: 9 }, createEvent);
  using epoll = new Epoll(4);
  for (const fd of events) epoll.add(fd, READABLE);
  const ready = () => Array.from({ length: epoll.wait(0) }, (_, i) => [epoll.eventFd(i), epoll.eventBits(i)]);
  assert.deepEqual(ready(), []);
  const signalled = [1, 4, 8].map((at) => events[at] as number);
  signalled.forEach(signalEvent);
  assert.deepEqual(ready().sort(), signalled.map((fd) => [fd, READABLE]).sort());
  epoll.modify(signalled[0] as number, 0);
  epoll.remove(signalled[1] as number);
  assert.deepEqual(ready(), [[signalled[2], READABLE]]);
  clearEvent(signalled[2] as number);
  assert.deepEqual(ready(), []);
  for (const fd of events) {
    epoll.remove(fd);
    epoll.add(fd, READABLE);
    signalEvent(fd);
  }
  assert.equal(ready().length, 4, "room for four");
  events.forEach(closeDescriptor);
});

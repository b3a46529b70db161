import { strict as assert } from "node:assert";
import { Handoff } from "../../../net/accept/handoff.ts";
import { closeDescriptor, receive } from "../../../storage/mod.ts";
import { allocateNative } from "../../../storage/sys/memory.ts";
import { ChannelRefused } from "../broker_channel.ts";
import { ChannelFixture, SECRET } from "./channel_testing.ts";
import { brokerDial } from "./dialing.ts";

const dial = brokerDial({ nodeId: 7, secret: SECRET, timeoutMs: 10_000 });
const never = new AbortController().signal;

Deno.test("brokerDial() gives a socket away that is logged in, and what is sent later reaches its new owner", async () => {
  await using fixture = new ChannelFixture();
  const [socket, peer] = await Promise.all([dial(fixture.endpoint, never), fixture.member()]);
  using handoff = new Handoff();
  const fd = handoff.take(socket);
  await peer.send(new Uint8Array([1, 2, 3]));
  const memory = allocateNative(16);
  let count = -1;
  for (let tries = 0; tries < 100 && count < 0; tries++) {
    count = receive(fd, memory.address, 16);
    await new Promise((resolve) => setTimeout(resolve));
  }
  assert.deepEqual([count, ...memory.bytes.subarray(0, 3)], [3, 1, 2, 3]);
  closeDescriptor(fd);
  assert.equal(await peer.receive(), null);
});

Deno.test("brokerDial() rejects when nobody listens, when the login fails, and when nobody wants the connection any more", async () => {
  const kindOf = async (dialled: Promise<Deno.TcpConn>) => {
    const error = await dialled.then(() => assert.fail("there is no connection"), (error) => error);
    assert.ok(error instanceof ChannelRefused, String(error));
    return error.kind;
  };
  {
    await using fixture = new ChannelFixture();
    fixture.stopListening();
    assert.equal(await kindOf(dial(fixture.endpoint, never)), "refused");
  }
  {
    await using fixture = new ChannelFixture();
    const dialled = kindOf(dial(fixture.endpoint, never));
    (await fixture.accept()).close();
    assert.equal(await dialled, "lost");
  }
  {
    await using fixture = new ChannelFixture();
    const abort = new AbortController();
    const dialled = kindOf(dial(fixture.endpoint, abort.signal));
    await fixture.accept();
    abort.abort();
    assert.equal(await dialled, "late");
  }
  {
    await using fixture = new ChannelFixture();
    const waits: (() => void)[] = [];
    const after = (_ms: number, callback: () => void) => {
      waits.push(callback);
      return () => {};
    };
    const late = brokerDial({ nodeId: 7, secret: SECRET, timeoutMs: 10_000, time: { after } });
    const dialled = kindOf(late(fixture.endpoint, never));
    await fixture.accept();
    waits[0]?.();
    assert.equal(await dialled, "late");
  }
});

import { strict as assert } from "node:assert";
import { DatagramSender } from "./datagram.ts";

Deno.test("DatagramSender refuses what names no local socket", () => {
  for (const name of ["", "@", "/", "relative", "vsock:2:1", `/${"x".repeat(108)}`]) {
    assert.throws(() => new DatagramSender(name), RangeError, name);
  }
});

Deno.test("DatagramSender.send() says why nobody has taken a datagram, and does not fail after its end", () => {
  const sender = new DatagramSender("@barnabas-nobody-listens-here");
  assert.equal(sender.send("READY=1"), "ECONNREFUSED, nobody listens");
  sender[Symbol.dispose]();
  sender[Symbol.dispose]();
  assert.equal(sender.send("READY=1"), "the socket is closed");
});

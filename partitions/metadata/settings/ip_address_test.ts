import assert from "node:assert/strict";
import { isIpAddress } from "./ip_address.ts";

const ADDRESSES = [
  "0.0.0.0",
  "127.0.0.1",
  "255.255.255.255",
  "10.20.30.9",
  "::",
  "::1",
  "fe80::1",
  "::ffff:1.2.3.4",
  "2001:DB8::8",
];
const OTHERS = [
  ...["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4.", "1..2.3", "01234.1.1.1", "localhost", ":", ":::", "1::2::3"],
  ...["fe80::1%eth0", "[::1]", "g::1", "::1]/", "1.2.3.4:80", "a:b", " 1.2.3.4"],
];

for (const text of ADDRESSES) {
  Deno.test(`isIpAddress() knows the address ${text}`, () => assert.ok(isIpAddress(text)));
}
for (const text of OTHERS) {
  Deno.test(`isIpAddress() knows that "${text}" is no address`, () => assert.ok(!isIpAddress(text)));
}

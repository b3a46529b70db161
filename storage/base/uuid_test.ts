import { strict as assert } from "node:assert";
import { isReservedUuid, parseUuid, randomUuid, ZERO_UUID } from "./uuid.ts";

Deno.test("randomUuid() makes version 4 ids that Kafka accepts, none beginning with a dash", () => {
  const seen = new Set<string>();
  for (let round = 0; round < 2000; round++) {
    const uuid = randomUuid();
    assert.match(uuid, /^[A-Za-z0-9_][A-Za-z0-9_-]{20}[AQgw]$/);
    assert.equal(parseUuid(uuid), uuid);
    const bytes = Uint8Array.fromBase64(`${uuid}==`, { alphabet: "base64url" });
    assert.deepEqual([bytes.length, bytes[6]! >> 4, bytes[8]! >> 6], [16, 4, 2]);
    seen.add(uuid);
  }
  assert.equal(seen.size, 2000);
});

Deno.test("parseUuid() reads Kafka's ids, padded or not", () => {
  assert.equal(parseUuid("haeFy9DXTaehpU3qp_bycA"), "haeFy9DXTaehpU3qp_bycA");
  assert.equal(parseUuid("haeFy9DXTaehpU3qp_bycA=="), "haeFy9DXTaehpU3qp_bycA");
  assert.equal(parseUuid("-aeFy9DXTaehpU3qp_bycQ"), "-aeFy9DXTaehpU3qp_bycQ");
});

Deno.test("parseUuid() refuses what is not 16 bytes of base64url", () => {
  const refused = [
    "",
    "haeFy9DXTaehpU3qp_byc",
    "haeFy9DXTaehpU3qp_bycAA",
    "haeFy9DXTaehpU3qp_bycB",
    "haeFy9DXTaehpU3qp/bycA",
  ];
  for (const text of [...refused, "haeFy9DXTaehpU3qp_bycA=", " aeFy9DXTaehpU3qp_bycA", "haeFy9DXTaehpU3qp_bycA\n"]) {
    assert.equal(parseUuid(text), null, JSON.stringify(text));
  }
});

Deno.test("isReservedUuid() is true for 0 and 1 only", () => {
  assert.equal(isReservedUuid(ZERO_UUID), true);
  assert.equal(isReservedUuid("AAAAAAAAAAAAAAAAAAAAAQ"), true);
  assert.equal(isReservedUuid("AAAAAAAAAAAAAAAAAAAAAg"), false);
});

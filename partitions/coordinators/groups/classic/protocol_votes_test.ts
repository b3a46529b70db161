import assert from "node:assert/strict";
import { protocols } from "./classic_testing.ts";
import { areSameProtocols, ProtocolSupport, selectProtocol } from "./protocol_votes.ts";

function voter(...names: string[]) {
  return { protocols: protocols(names) };
}

Deno.test("selectProtocol() takes what most members prefer among what all support", () => {
  assert.equal(
    selectProtocol([voter("range", "sticky"), voter("sticky", "range"), voter("sticky", "range")]),
    "sticky",
  );
  assert.equal(
    selectProtocol([voter("range", "sticky"), voter("roundrobin", "range")]),
    "range",
    "the only common one",
  );
  assert.equal(selectProtocol([voter("x", "range"), voter("x", "range"), voter("range")]), "range", "x is not common");
});

Deno.test("selectProtocol() decides between even votes as Apache Kafka 4.3.1 does", () => {
  const [one, two] = [voter("range", "roundrobin", "sticky"), voter("sticky", "roundrobin")];
  assert.equal(selectProtocol([one, two]), "sticky", "recorded in tests/golden/groups_kafka_4.3.1.jsonl");
  assert.equal(selectProtocol([two, one]), "sticky");
});

Deno.test("selectProtocol() finds nothing without a common protocol or without members", () => {
  assert.equal(selectProtocol([voter("a"), voter("b")]), null);
  assert.equal(selectProtocol([]), null);
});

Deno.test("selectProtocol() counts a member that names a protocol twice once", () => {
  assert.equal(selectProtocol([voter("a", "a", "b"), voter("b")]), "b");
});

Deno.test("ProtocolSupport knows what all members support, while they come and go", () => {
  const support = new ProtocolSupport();
  const [both, twice] = [voter("a", "b"), voter("b", "b")];
  support.add(both);
  assert.equal(support.includesCommon(protocols(["a"]), 1), true);
  support.add(twice);
  assert.equal(support.includesCommon(protocols(["a"]), 2), false);
  assert.equal(support.includesCommon(protocols(["a", "b"]), 2), true);
  support.remove(twice);
  assert.equal(support.includesCommon(protocols(["a"]), 1), true);
  assert.equal(support.includesCommon(protocols(["c"]), 1), false);
  support.remove(both);
  assert.equal(support.count, 0, "it does not grow with names that were");
  assert.throws(() => support.remove(voter("c")), /counted out once/);
});

Deno.test("areSameProtocols() compares names, order and metadata", () => {
  assert.equal(areSameProtocols(protocols(["a", "b"]), protocols(["a", "b"])), true);
  assert.equal(areSameProtocols(protocols(["a", "b"]), protocols(["b", "a"])), false);
  assert.equal(areSameProtocols(protocols(["a"]), protocols(["a", "b"])), false);
  assert.equal(areSameProtocols(protocols(["a"], "x"), protocols(["a"], "y")), false);
  assert.equal(areSameProtocols(protocols(["a"], "x"), protocols(["a"], "xx")), false);
});

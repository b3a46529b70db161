import assert from "node:assert/strict";
import { brokerUserName } from "../../../partitions/authentication/broker_users.ts";
import { brokerCredential, saltSecret } from "../../../partitions/authentication/salted_secret.ts";
import { SCRAM_SHA_256, sha256 } from "../../../partitions/authentication/scram_sha256.ts";
import { ScramClient } from "../../protocol/scram/scram.ts";
import { AuthenticationOnDemand, type SaslStep } from "./authentication.ts";
import { BrokerAuthentication } from "./broker_authentication.ts";

const SECRET = "what the brokers of a test share";
const authentication = new BrokerAuthentication(await brokerCredential(SECRET));

/** Logs in. @returns the answers to both messages */
async function login(userName: string, secret: string): Promise<{ steps: SaslStep[]; isTrusted: boolean }> {
  const exchange = authentication.begin(SCRAM_SHA_256);
  assert.ok(exchange !== null);
  const client = new ScramClient(sha256, { userName, nonce: "x" });
  const first = exchange.answer(client.first);
  assert.ok(first.kind === "challenge");
  const salting = client.read(first.token);
  assert.ok(salting !== null);
  const second = exchange.answer(client.prove(await saltSecret(secret, salting)));
  return { steps: [first, second], isTrusted: second.kind === "authenticated" && client.accepts(second.token) };
}

Deno.test("BrokerAuthentication recognises a broker that has the secret, and shows that this one has it, too", async () => {
  for (const nodeId of [0, 7, 2 ** 31 - 1]) {
    const { steps: [, last], isTrusted } = await login(brokerUserName(nodeId), SECRET);
    assert.ok(last?.kind === "authenticated" && isTrusted);
    assert.deepEqual([last.principal, last.brokerId], [`User:broker-${nodeId}`, nodeId]);
  }
});

Deno.test("BrokerAuthentication refuses another secret and names that are no broker's, with the same challenge", async () => {
  for (const [userName, secret] of [["broker-7", "another"], ["admin", SECRET], ["broker-01", SECRET]] as const) {
    const { steps: [first, last], isTrusted } = await login(userName, secret);
    assert.ok(first?.kind === "challenge");
    assert.match(new TextDecoder().decode(first.token), /^r=x[\w/+]{32},s=[\w/+]{22}==,i=4096$/);
    assert.deepEqual([last, isTrusted], [{ kind: "failed" }, false]);
  }
});

Deno.test("BrokerAuthentication knows SCRAM-SHA-256 alone, and makes a new nonce for each exchange", () => {
  assert.deepEqual(authentication.mechanisms, ["SCRAM-SHA-256"]);
  for (const other of ["", "PLAIN", "SCRAM-SHA-512", "scram-sha-256"]) assert.equal(authentication.begin(other), null);
  const challenges = new Set(Array.from({ length: 50 }, () => {
    const step = authentication.begin(SCRAM_SHA_256)?.answer(new TextEncoder().encode("n,,n=broker-1,r=x"));
    return step?.kind === "challenge" ? new TextDecoder().decode(step.token) : "";
  }));
  assert.equal(challenges.size, 50);
});

Deno.test("brokerCredential() salts each time with a salt of its own", async () => {
  const [a, b] = [await brokerCredential(SECRET), await brokerCredential(SECRET)];
  assert.notDeepEqual(a.salt, b.salt);
  assert.notDeepEqual(a.storedKey, b.storedKey);
  assert.equal(a.storedKey.buffer.byteLength, 32, "a shard gets these bytes and nothing beside them");
});

Deno.test("AuthenticationOnDemand has no mechanism before it is loaded", () => {
  const late = new AuthenticationOnDemand();
  assert.deepEqual([late.mechanisms, late.begin(SCRAM_SHA_256)], [[], null]);
  late.use(authentication);
  assert.deepEqual(late.mechanisms, ["SCRAM-SHA-256"]);
  assert.notEqual(late.begin(SCRAM_SHA_256), null);
});

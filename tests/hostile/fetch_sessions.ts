/** Waiting fetch sessions: each small request means thousands of partitions (KIP-227). Test code. */
import assert from "node:assert/strict";
import { decodeResponseHeader } from "../../net/protocol/headers.ts";
import { fetchRequest, fetchResponse } from "../../net/protocol/messages/01_fetch.ts";
import { Reader } from "../../net/protocol/reader.ts";
import { frameOf } from "../kafka_client.ts";
import { Attacker } from "./attacker.ts";
import type { Field } from "./siege.ts";
import { BIG_PARTITIONS } from "./victim_topics.ts";

/** The last version without topic ids. */
const FETCH = 7;
const FOREVER = 2 ** 31 - 1;
/** Requests of one connection that may wait at this broker, without the one that made the session. */
const REQUESTS = 127;

const session = { sessionId: 0, sessionEpoch: 0, forgottenTopicsData: [] };

/** On each connection makes a session of all partitions of "big", then fetches again and again and waits for at least 2 GB. */
export async function waitInSessions(
  { victim, ledger }: Pick<Field<unknown>, "victim" | "ledger">,
  connections: number,
): Promise<void> {
  using attackers = new DisposableStack();
  const partitions = Array.from(
    { length: BIG_PARTITIONS },
    (_, partition) => ({ partition, fetchOffset: 0, logStartOffset: -1, partitionMaxBytes: 1000 }),
  );
  for (let index = 0; index < connections; index++) {
    const attacker = attackers.use(await Attacker.connect(victim.port, ledger));
    const first = { ...session, maxWaitMs: 0, minBytes: 1, maxBytes: 1000, topics: [{ topic: "big", partitions }] };
    const sessionId = await open(attacker, frameOf(fetchRequest, { apiVersion: FETCH, correlationId: 0 }, first));
    const next = { ...session, sessionId, maxWaitMs: FOREVER, minBytes: FOREVER, maxBytes: FOREVER, topics: [] };
    for (let sessionEpoch = 1; sessionEpoch <= REQUESTS; sessionEpoch++) {
      const header = { apiVersion: FETCH, correlationId: sessionEpoch };
      if (!await attacker.send(frameOf(fetchRequest, header, { ...next, sessionEpoch }))) break;
    }
  }
  await victim.waitUntilIdle();
}

async function open(attacker: Attacker, frame: Uint8Array): Promise<number> {
  await attacker.send(frame);
  const answer = await attacker.receive(frame.length);
  assert.ok(answer !== null, "a session can be made");
  const reader = new Reader(answer);
  decodeResponseHeader(reader, fetchRequest, FETCH);
  return fetchResponse.decode(reader, FETCH).sessionId;
}

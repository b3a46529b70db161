/** Ways to send a hostile request: from one or many connections, in a pipeline, reading slowly or not at all, leaving early. Test code. */
import type { Api } from "../../net/protocol/api.ts";
import { walkAnswer } from "./answer_walk.ts";
import { Attacker, type Ending } from "./attacker.ts";
import type { Field } from "./siege.ts";

/** How long an attacker waits for an answer before it complains. */
const PATIENCE_MS = 60_000;
/** Most sentences that the broker prints for a shard in a second; it counts the others (partitions/reporter.ts). */
const SENTENCES_MAX = 5;
const SENTENCES_PERIOD_MS = 1000;
/** How long a sentence may take: the main isolate, which prints it, may have to wait for a processor. */
const SENTENCE_PATIENCE_MS = 10_000;

/** A request as it is sent. */
export interface HostileRequest {
  readonly api: Api;
  readonly version: number;
  /** With its size prefix; the correlation id is at byte 8. */
  readonly frame: Uint8Array;
}

type AnyField = Pick<Field<unknown>, "victim" | "ledger" | "complain">;

/** Sends the same request from many connections at a time; each reads its answer. */
export async function sendFromMany(field: AnyField, request: HostileRequest, connections: number): Promise<Ending[]> {
  const startMs = performance.now();
  using attackers = new DisposableStack();
  const opened: Attacker[] = [];
  for (let index = 0; index < connections; index++) {
    opened.push(attackers.use(await Attacker.connect(field.victim.port, field.ledger)));
  }
  const endings = await Promise.all(opened.map((attacker) => inTime(exchange(attacker, field, request))));
  const unanswered = endings.filter((ending) => ending === "unanswered").length;
  if (unanswered > 0) field.complain(`${unanswered} of ${connections} requests got no answer within ${PATIENCE_MS} ms`);
  if (endings.includes("closed")) await expectSentence(field, startMs);
  return endings;
}

/** Sends a small request many times on each connection without waiting for answers; then reads all answers. */
export async function sendPipelined(
  field: AnyField,
  request: HostileRequest,
  { connections, requests }: { connections: number; requests: number },
): Promise<void> {
  const startMs = performance.now();
  const endings = await Promise.all(Array.from({ length: connections }, async () => {
    using attacker = await Attacker.connect(field.victim.port, field.ledger);
    const sent = (async () => {
      for (let index = 0; index < requests; index++) if (!await attacker.send(request.frame)) return;
    })();
    let ending: Ending = "answered";
    for (let index = 0; index < requests && ending === "answered"; index++) {
      ending = await inTime(receive(attacker, field, request));
    }
    if (ending === "answered") await sent;
    return ending;
  }));
  if (endings.includes("unanswered")) field.complain(`a pipelined request got no answer within ${PATIENCE_MS} ms`);
  if (endings.includes("closed")) await expectSentence(field, startMs);
}

/** Sends from many connections, reads a few bytes of each answer in each of some rounds, then disconnects. */
export async function sendAndReadSlowly(
  field: AnyField,
  request: HostileRequest,
  { connections, rounds, bytes }: { connections: number; rounds: number; bytes: number },
): Promise<void> {
  await Promise.all(Array.from({ length: connections }, async () => {
    using attacker = await Attacker.connect(field.victim.port, field.ledger);
    attacker.send(request.frame); // Not awaited: the broker may not read it.
    for (let round = 0; round < rounds; round++) {
      await pause();
      if (bytes > 0 && await Promise.race([attacker.readSome(bytes), pause()]) === null) return;
    }
  }));
}

/** Sends a part of the request from many connections and disconnects; with a share of 1 before the answer comes. */
export async function sendAndLeave(
  field: AnyField,
  request: HostileRequest,
  { connections, share }: { connections: number; share: number },
): Promise<void> {
  const part = request.frame.subarray(0, Math.floor(request.frame.length * share));
  await Promise.all(Array.from({ length: connections }, async () => {
    using attacker = await Attacker.connect(field.victim.port, field.ledger);
    await Promise.race([attacker.send(part), pause(LEAVE_MS)]);
  }));
}

const LEAVE_MS = 2000;
const PAUSE_MS = 50;

function pause(ms = PAUSE_MS): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined));
}

async function exchange(attacker: Attacker, field: AnyField, request: HostileRequest): Promise<Ending> {
  const received = receive(attacker, field, request);
  // The broker may answer, or close, before it has read everything.
  await Promise.race([attacker.send(request.frame), received]);
  return await received;
}

async function receive(attacker: Attacker, field: AnyField, request: HostileRequest): Promise<Ending> {
  const answer = await attacker.receive(request.frame.length);
  if (answer === null) return "closed";
  try {
    const { correlationId } = walkAnswer(answer, request);
    const expected = new DataView(request.frame.buffer, request.frame.byteOffset).getInt32(8);
    if (correlationId !== expected) field.complain(`answer ${correlationId} came for request ${expected}`);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    field.complain(`an answer of ${answer.length} bytes cannot be read: ${error.message}`);
  }
  return "answered";
}

async function inTime(ending: Promise<Ending>): Promise<Ending> {
  const late = Promise.withResolvers<Ending>();
  const timer = setTimeout(() => late.resolve("unanswered"), PATIENCE_MS);
  try {
    return await Promise.race([ending, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Expects a sentence about a connection that the broker closed, unless it has printed its most in this second. */
async function expectSentence({ victim, complain }: AnyField, sinceMs: number): Promise<void> {
  const endMs = performance.now() + SENTENCE_PATIENCE_MS;
  for (;;) {
    const closings = victim.sentences.filter(({ text }) => text.includes("Closed the connection"));
    if (closings.some(({ atMs }) => atMs >= sinceMs)) return;
    const recent = closings.filter(({ atMs }) => atMs >= sinceMs - SENTENCES_PERIOD_MS);
    if (recent.length >= SENTENCES_MAX || victim.end !== null) return;
    if (performance.now() > endMs) break;
    await pause();
  }
  complain("a connection was closed without a sentence");
}

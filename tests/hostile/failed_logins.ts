/** Logins with a wrong proof, which the broker has to compute before it can refuse it (SCRAM). Test code. */
import { decodeResponseHeader } from "../../net/protocol/headers.ts";
import { saslHandshakeRequest } from "../../net/protocol/messages/17_sasl_handshake.ts";
import { saslAuthenticateRequest, saslAuthenticateResponse } from "../../net/protocol/messages/36_sasl_authenticate.ts";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { Reader } from "../../net/protocol/reader.ts";
import { frameOf } from "../kafka_client.ts";
import { Attacker } from "./attacker.ts";
import type { Field } from "./siege.ts";

const VERSION = 2;
const PROOF_BYTES = 32;
const NONCE = "0123456789";

const handshake = frameOf(saslHandshakeRequest, { apiVersion: 1, correlationId: 0 }, { mechanism: "SCRAM-SHA-256" });

/** Logs in again and again from many connections at a time, each time with another wrong proof. */
export async function failLogins(
  field: Pick<Field<unknown>, "victim" | "ledger" | "complain">,
  { connections, logins }: { connections: number; logins: number },
): Promise<void> {
  await Promise.all(Array.from({ length: connections }, async () => {
    for (let login = 0; login < logins; login++) {
      const refusal = await failLogin(field);
      if (refusal !== null) field.complain(refusal);
    }
  }));
}

/** @returns what the broker did wrong */
async function failLogin({ victim, ledger }: Pick<Field<unknown>, "victim" | "ledger">): Promise<string | null> {
  using attacker = await Attacker.connect(victim.port, ledger);
  await attacker.send(handshake);
  if (await attacker.receive(handshake.length) === null) return "the handshake was not answered";
  const challenge = await authenticate(attacker, `n,,n=broker-7,r=${NONCE}`);
  const nonce = /^r=([^,]+),/.exec(challenge?.token ?? "")?.[1];
  if (challenge?.code !== errorCode.NONE || nonce === undefined) {
    return `no challenge, but ${JSON.stringify(challenge)}`;
  }
  const proof = crypto.getRandomValues(new Uint8Array(PROOF_BYTES)).toBase64();
  const refused = await authenticate(attacker, `c=biws,r=${nonce},p=${proof}`);
  if (refused?.code !== errorCode.SASL_AUTHENTICATION_FAILED) return `no refusal, but ${JSON.stringify(refused)}`;
  return await attacker.receive(0) === null ? null : "the connection stays open";
}

async function authenticate(attacker: Attacker, message: string): Promise<{ code: number; token: string } | null> {
  const body = { authBytes: new TextEncoder().encode(message) };
  const frame = frameOf(saslAuthenticateRequest, { apiVersion: VERSION, correlationId: 1 }, body);
  await attacker.send(frame);
  const answer = await attacker.receive(frame.length);
  if (answer === null) return null;
  const reader = new Reader(answer);
  decodeResponseHeader(reader, saslAuthenticateResponse, VERSION);
  const { errorCode: code, authBytes } = saslAuthenticateResponse.decode(reader, VERSION);
  return { code, token: new TextDecoder().decode(authBytes) };
}

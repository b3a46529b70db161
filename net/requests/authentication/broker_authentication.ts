/**
 * Recognises other brokers of the cluster, on every listener: SCRAM-SHA-256 as `broker-<node id>`, with the cluster's secret as the password.
 * A shard has only the credential. Loaded by brokers that have a secret. Runs on shards.
 */
import { brokerOfUserName, brokerUserName } from "../../../partitions/authentication/broker_users.ts";
import { SCRAM_SHA_256, scramNonce, sha256 } from "../../../partitions/authentication/scram_sha256.ts";
import { ScramClient, type ScramCredential, ScramServer } from "../../protocol/scram/scram.ts";
import type { Authentication, SaslExchange, SaslStep } from "./authentication.ts";

const FAILED: SaslStep = { kind: "failed" };

/** The mechanism by which brokers prove who they are. */
export class BrokerAuthentication implements Authentication {
  readonly mechanisms: readonly string[] = [SCRAM_SHA_256];
  readonly #credential: ScramCredential;
  /** Looks like the brokers' credential, and no password fits: its keys are random. */
  readonly #decoy: ScramCredential;
  readonly #newNonce: () => string;

  /** @param credential made of the cluster's secret @param newNonce of random characters */
  constructor(credential: ScramCredential, newNonce: () => string = scramNonce) {
    this.#credential = credential;
    const key = sha256.hash(crypto.getRandomValues(new Uint8Array(sha256.bytes)));
    this.#decoy = { ...credential, storedKey: key, serverKey: key };
    this.#newNonce = newNonce;
    this.#rehearse();
  }

  begin(mechanism: string): SaslExchange | null {
    if (mechanism !== SCRAM_SHA_256) return null;
    const credentialOf = (userName: string) => brokerOfUserName(userName) === null ? this.#decoy : this.#credential;
    return new BrokerExchange(new ScramServer({ hash: sha256, nonce: this.#newNonce(), credentialOf }));
  }

  /** Loads all that an exchange uses, which takes up to 20 ms: other connections would wait for it during the first login. */
  #rehearse(): void {
    const client = new ScramClient(sha256, { userName: brokerUserName(0), nonce: this.#newNonce() });
    const exchange = this.begin(SCRAM_SHA_256);
    const challenge = exchange?.answer(client.first);
    if (challenge?.kind !== "challenge" || client.read(challenge.token) === null) return;
    exchange?.answer(client.prove(this.#decoy.storedKey));
  }
}

class BrokerExchange implements SaslExchange {
  readonly mechanism = SCRAM_SHA_256;
  readonly #server: ScramServer;
  #isChallenged = false;

  constructor(server: ScramServer) {
    this.#server = server;
  }

  answer(message: Uint8Array): SaslStep {
    if (!this.#isChallenged) {
      this.#isChallenged = true;
      const token = this.#server.challenge(message);
      return token === null ? FAILED : { kind: "challenge", token };
    }
    const token = this.#server.finish(message);
    const { userName } = this.#server;
    if (token === null || userName === null) return FAILED;
    return { kind: "authenticated", token, principal: `User:${userName}`, brokerId: brokerOfUserName(userName) };
  }
}

/**
 * How the client of a connection proves who it is (SASL): what SaslHandshake and SaslAuthenticate ask of a mechanism. A broker without
 * mechanisms answers them as Kafka does on a listener without SASL. Runs on shards.
 */

/** What comes of a token. A failure ends the exchange, and the connection. */
export type SaslStep =
  | { readonly kind: "challenge"; readonly token: Uint8Array }
  /** token: the last one, which proves the broker's side. brokerId: node id of a broker of this cluster, null for any other principal. */
  | {
    readonly kind: "authenticated";
    readonly token: Uint8Array;
    readonly principal: string;
    readonly brokerId: number | null;
  }
  | { readonly kind: "failed" };

/** The exchange of one connection, by one mechanism. */
export interface SaslExchange {
  readonly mechanism: string;
  /** Answers a token. Not called again after "authenticated" and "failed". */
  answer(token: Uint8Array): SaslStep;
}

/** The mechanisms of a broker. */
export interface Authentication {
  /** Names of the mechanisms. */
  readonly mechanisms: readonly string[];
  /** Begins an exchange. @returns null when there is no such mechanism */
  begin(mechanism: string): SaslExchange | null;
}

/** Without mechanisms, until those that have to be loaded are there. */
export class AuthenticationOnDemand implements Authentication {
  #loaded: Authentication | null = null;

  get mechanisms(): readonly string[] {
    return this.#loaded?.mechanisms ?? [];
  }

  begin(mechanism: string): SaslExchange | null {
    return this.#loaded?.begin(mechanism) ?? null;
  }

  /** Uses mechanisms that were loaded. */
  use(authentication: Authentication): void {
    this.#loaded = authentication;
  }
}

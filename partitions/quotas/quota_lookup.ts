/**
 * Which quota a client has. Pure; shards and the main isolate each make their own from the image.
 *
 * The most specific one counts, in Kafka's order (KIP-55, ClientQuotaManager):
 *
 *   1 user and client id     2 user, any other client id      3 user
 *   4 any other user, id     5 any other user, any other id   6 any other user
 *   7 client id              8 any other client id
 *
 * Who share a rate follows from the level: 1, 2, 4 and 5 are a rate for each pair, 3 and 6 for each user, 7 and 8 for each client id.
 * A client without client id has no quota of a level that has one.
 */
import type { ClientQuota } from "../metadata/settings/quota_rows.ts";

/** The quota of a client. */
export interface FoundQuota {
  /** Names those who share the rate; different for other names, but not for other values. */
  readonly sharers: string;
  /** Units a second. */
  readonly perSecond: number;
}

/** The user that a principal names, as `User:alice`. */
export function userOf(principal: string): string {
  return principal.slice(principal.indexOf(":") + 1);
}

interface UserQuotas {
  all: number | undefined;
  /** By client id; null: any other. */
  readonly byClient: Map<string | null, number>;
}

/** The quotas of one value, as `producer_byte_rate`. */
export class QuotaLookup {
  /** By user; null: any other. */
  readonly #users = new Map<string | null, UserQuotas>();
  /** By client id; null: any other. */
  readonly #clients = new Map<string | null, number>();

  /** @param quotas of the image @param name of the value */
  constructor(quotas: readonly ClientQuota[], name: string) {
    for (const { entity, values } of quotas) {
      const value = values[name];
      if (value === undefined) continue;
      const { user, "client-id": clientId } = entity;
      if (user !== undefined) this.#add(user, clientId, value);
      else if (clientId !== undefined) this.#clients.set(clientId, value);
    }
  }

  /** Whether nobody has such a quota. */
  get isEmpty(): boolean {
    return this.#users.size === 0 && this.#clients.size === 0;
  }

  /** The quota of a client. @param clientId "" when it has none */
  find(user: string, clientId: string): FoundQuota | null {
    return findIn(this.#users.get(user), user, clientId) ?? findIn(this.#users.get(null), user, clientId) ??
      found(null, clientId, clientId === "" ? undefined : this.#clients.get(clientId) ?? this.#clients.get(null));
  }

  #add(user: string | null, clientId: string | null | undefined, value: number): void {
    const quotas = this.#users.get(user) ?? { all: undefined, byClient: new Map() };
    this.#users.set(user, quotas);
    if (clientId === undefined) quotas.all = value;
    else quotas.byClient.set(clientId, value);
  }
}

function findIn(quotas: UserQuotas | undefined, user: string, clientId: string): FoundQuota | null {
  if (quotas === undefined) return null;
  const ofClient = clientId === "" ? undefined : quotas.byClient.get(clientId) ?? quotas.byClient.get(null);
  return found(user, clientId, ofClient) ?? found(user, null, quotas.all);
}

function found(user: string | null, clientId: string | null, perSecond: number | undefined): FoundQuota | null {
  if (perSecond === undefined) return null;
  // The length of the user's name tells where the client id begins, because both may have any characters.
  const sharers = `${user === null ? "" : `u${user.length}`}${clientId === null ? "" : "c"}:${user ?? ""}${
    clientId ?? ""
  }`;
  return { sharers, perSecond };
}

/**
 * Client quotas and their rows in the metadata store. Pure; the main isolate and shards use it.
 *
 * ```
 *   quotas/<encoded entity>   {entity, values}   absent = no quotas for this entity
 * ```
 *
 * An entity is a user, a client id, a user with a client id, or an address; null in place of a name is the default of its type. Whatever
 * order a client names the types in, an entity has one key. Source: KIP-124, KIP-546, KIP-612; Kafka's ClientQuotaEntity.
 */
import { isObject } from "../store/stored_row.ts";

/** Prefix of all quotas. */
export const QUOTAS = "quotas/";

/** Types of entities, in the order in which Kafka answers them. */
export const quotaEntityTypes = ["client-id", "user", "ip"] as const;

/** A type of entity. */
export type QuotaEntityType = (typeof quotaEntityTypes)[number];

/** Whom quotas are for. It has at least one type; an address has no other. null: the default of that type. */
export type QuotaEntity = { readonly [Type in QuotaEntityType]?: string | null };

/** The quotas of an entity. */
export interface ClientQuota {
  readonly entity: QuotaEntity;
  /** By Kafka's names, like `producer_byte_rate`, in the units of those; none when the entity has no quotas any more. */
  readonly values: Readonly<Record<string, number>>;
}

/** Key of the quotas of an entity. Names are any text. */
export function quotaKey(entity: QuotaEntity): string {
  const named = quotaEntityTypes.filter((type) => entity[type] !== undefined);
  const canonical = Object.fromEntries(named.map((type) => [type, entity[type]?.toWellFormed() ?? null]));
  return QUOTAS + encodeURIComponent(JSON.stringify(canonical));
}

/** Whether a value is the row of quotas. */
export function isQuotaRow(value: unknown): value is ClientQuota {
  return isObject(value) && isEntity(value.entity) && isObject(value.values) &&
    Object.values(value.values).every((one) => typeof one === "number" && one > 0);
}

function isEntity(value: unknown): value is QuotaEntity {
  if (!isObject(value)) return false;
  const names = Object.entries(value);
  return names.length > 0 &&
    names.every(([type, name]) =>
      quotaEntityTypes.some((known) => known === type) && (name === null || typeof name === "string")
    );
}

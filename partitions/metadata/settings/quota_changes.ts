/**
 * Plans AlterClientQuotas: checks a request and gives, for each entity, its new quotas or why they stay. If one change of an entity is
 * refused, the entity stays as it is. Pure; the main isolate runs it.
 *
 * As in Kafka, an entity that a request names twice is refused, although its first changes are made. Unlike Kafka, this broker refuses values
 * that are no finite number, names of hosts (an `ip` is an address), and what would exceed its limits.
 * Source: Kafka's ClientQuotaControlManager, QuotaConfig, with their sentences and in their order of checks.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { AlteredQuota, NamedEntity } from "../../../net/protocol/messages/49_alter_client_quotas.ts";
import { isRefusal, isSame, type Refusal, refuse, shown } from "../configs/config_operations.ts";
import { isIpAddress } from "./ip_address.ts";
import { type QuotaEntity, type QuotaEntityType, quotaEntityTypes, quotaKey } from "./quota_rows.ts";
import type { QuotaChange } from "./setting_changes.ts";

/** The plan for one entity. */
export interface PlannedQuotas {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  /** null when nothing changes. */
  readonly change: QuotaChange | null;
}

/** What the checks depend on. */
export interface QuotaRules {
  /** The quotas that an entity has; undefined without any. */
  quotasOf(entity: QuotaEntity): Readonly<Record<string, number>> | undefined;
  /** How many entities have quotas. */
  readonly count: number;
  /** Characters of their keys. */
  readonly characters: number;
}

/** Most entities with quotas: every shard holds all of them in memory. */
export const QUOTA_ENTITIES_MAX = 10_000;
/** Most characters of the keys of all of them, which are encoded: a name of other than Latin letters takes nine times its length. */
export const QUOTA_CHARACTERS_MAX = 4 * 1024 * 1024;
/** Longest name of an entity, in UTF-16 units. Kafka has no limit. */
export const ENTITY_NAME_CHARACTERS_MAX = 1000;
/** What a whole number may have behind its point: rounding, as Kafka sees it. */
const FRACTION_MAX = 1e-6;

/** How a quota is checked. */
interface QuotaRule {
  readonly max: number;
  readonly isWhole: boolean;
  /** Java's name of the type, with its article. */
  readonly type: "a LONG" | "an INT" | "a DOUBLE";
}

const LONG: QuotaRule = { max: 2 ** 63, isWhole: true, type: "a LONG" };
const INT: QuotaRule = { max: 2 ** 31 - 1, isWhole: true, type: "an INT" };
const DOUBLE: QuotaRule = { max: Number.MAX_VALUE, isWhole: false, type: "a DOUBLE" };

/** Quotas of users and client ids. */
const CLIENT_QUOTAS: ReadonlyMap<string, QuotaRule> = new Map([
  ["producer_byte_rate", LONG],
  ["consumer_byte_rate", LONG],
  ["request_percentage", DOUBLE],
  ["controller_mutation_rate", DOUBLE],
]);
/** Quotas of addresses. */
const ADDRESS_QUOTAS: ReadonlyMap<string, QuotaRule> = new Map([["connection_creation_rate", INT]]);

/** What a request says of one entity. */
export interface QuotaSubject {
  /** The types and names, each type once, as they are answered. */
  readonly entity: readonly NamedEntity[];
  /** The operations of each of its entries. */
  readonly entries: readonly AlteredQuota["ops"][];
}

/** Puts together what a request says of each entity, in the order in which it names them. */
export function quotaSubjects(entries: readonly AlteredQuota[]): QuotaSubject[] {
  const subjects = new Map<string, { entity: readonly NamedEntity[]; entries: AlteredQuota["ops"][] }>();
  for (const { entity: named, ops } of entries) {
    const entity = inOrder(named);
    const key = JSON.stringify(entity.map(({ entityType, entityName }) => [entityType, entityName]));
    const subject = subjects.get(key);
    if (subject === undefined) subjects.set(key, { entity, entries: [ops] });
    else subject.entries.push(ops);
  }
  return [...subjects.values()];
}

/** Checks a request. @returns the plan for each entity, in their order */
export function planQuotas(subjects: readonly QuotaSubject[], rules: QuotaRules): PlannedQuotas[] {
  let { count, characters } = rules;
  return subjects.map((subject): PlannedQuotas => {
    const planned = planSubject(subject, { ...rules, count, characters });
    const entity = planned.change?.quota.entity;
    if (entity !== undefined && rules.quotasOf(entity) === undefined) {
      count++;
      characters += quotaKey(entity).length;
    }
    return planned;
  });
}

function planSubject({ entity, entries }: QuotaSubject, rules: QuotaRules): PlannedQuotas {
  const [ops = []] = entries;
  const duplicate = invalid(`Ignoring duplicate entity ${javaText(entity)}`);
  if (new Set(ops.map(({ key }) => key)).size < ops.length) return { ...duplicate, change: null };
  const result = planEntity(entity, ops, rules);
  const change = isRefusal(result) ? null : result;
  if (entries.length > 1) return { ...duplicate, change };
  if (isRefusal(result)) return { ...result, change: null };
  return { errorCode: errorCode.NONE, errorMessage: null, change };
}

/** The types of an entity, each once with its last name, in the order of Kafka's answers; unknown types come last. */
function inOrder(named: readonly NamedEntity[]): NamedEntity[] {
  const names = new Map(named.map(({ entityType, entityName }) => [entityType, entityName]));
  const rankOf = (type: string) => {
    const rank = quotaEntityTypes.indexOf(type as QuotaEntityType);
    return rank < 0 ? quotaEntityTypes.length : rank;
  };
  return [...names].map(([entityType, entityName]) => ({ entityType, entityName }))
    .sort((a, b) => rankOf(a.entityType) - rankOf(b.entityType) || (a.entityType < b.entityType ? -1 : 1));
}

function planEntity(
  named: readonly NamedEntity[],
  ops: AlteredQuota["ops"],
  rules: QuotaRules,
): QuotaChange | Refusal | null {
  const refused = refuseEntity(named) ?? refuseCombination(named);
  if (refused !== null) return refused;
  const entity: QuotaEntity = Object.fromEntries(named.map(({ entityType, entityName }) => [entityType, entityName]));
  const allowed = "ip" in entity ? ADDRESS_QUOTAS : CLIENT_QUOTAS;
  const current = rules.quotasOf(entity);
  const altered = new Map(Object.entries(current ?? {}));
  for (const { key, value, remove } of ops) {
    const refusal = remove ? null : refuseValue(key, value, allowed.get(key));
    if (refusal !== null) return refusal;
    if (remove) altered.delete(key);
    else altered.set(key, value);
  }
  const values = Object.fromEntries(altered);
  if (isSame(values, current ?? {})) return null;
  const full = current === undefined ? refuseMore(entity, rules) : null;
  if (full !== null) return full;
  return { quota: { entity, values } };
}

function refuseMore(entity: QuotaEntity, { count, characters }: QuotaRules): Refusal | null {
  const policy = (errorMessage: string) => refuse("POLICY_VIOLATION", errorMessage);
  if (count >= QUOTA_ENTITIES_MAX) return policy(`No more than ${QUOTA_ENTITIES_MAX} entities can have quotas.`);
  if (characters + quotaKey(entity).length <= QUOTA_CHARACTERS_MAX) return null;
  return policy(`The names of all entities with quotas have at most ${QUOTA_CHARACTERS_MAX} characters, encoded.`);
}

function refuseEntity(named: readonly NamedEntity[]): Refusal | null {
  if (named.length === 0) return invalid("Invalid empty client quota entity");
  for (const { entityType, entityName } of named) {
    if (!quotaEntityTypes.some((type) => type === entityType)) {
      return invalid(`Unhandled client quota entity type: ${shown(entityType)}`);
    }
    if (entityName === "") return invalid(`Empty ${entityType} not supported`);
    if (entityName !== null && entityName.length > ENTITY_NAME_CHARACTERS_MAX) {
      return invalid(`A ${entityType} with quotas has at most ${ENTITY_NAME_CHARACTERS_MAX} characters.`);
    }
  }
  return null;
}

function refuseCombination(named: readonly NamedEntity[]): Refusal | null {
  const ip = named.find(({ entityType }) => entityType === "ip");
  if (ip === undefined) return null;
  if (named.length > 1) {
    // Kafka's sentence lacks this space, too.
    return invalid("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId");
  }
  if (ip.entityName === null || isIpAddress(ip.entityName)) return null;
  return invalid(`${shown(ip.entityName)} is not a valid IP or resolvable host.`);
}

function refuseValue(key: string, value: number, rule: QuotaRule | undefined): Refusal | null {
  if (rule === undefined) return invalid(`Invalid configuration key ${shown(key)}`);
  // NaN, too, is not greater than 0. Kafka takes it.
  if (!(value > 0)) return invalid(`Quota ${key} must be greater than 0`);
  const { max, isWhole, type } = rule;
  if (value > max) return invalid(`Proposed value for ${key} is too large for ${type}.`);
  return isWhole && value % 1 > FRACTION_MAX ? invalid(`${key} cannot be a fractional value.`) : null;
}

/** An entity as Java writes it. */
function javaText(entity: readonly NamedEntity[]): string {
  const parts = entity.map(({ entityType, entityName }) => `${shown(entityType)}=${shown(entityName ?? "null")}`);
  return `ClientQuotaEntity(entries={${parts.slice(0, quotaEntityTypes.length).join(", ")}})`;
}

function invalid(errorMessage: string): Refusal {
  return refuse("INVALID_REQUEST", errorMessage);
}

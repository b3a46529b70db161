/**
 * What a request changes in the configs of one resource: sets, deletes, appends and subtracts, one after the other. Pure; the main isolate
 * runs it.
 *
 * Source: Kafka's ConfigAdminManager.preprocess and ConfigurationControlManager, with their sentences.
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { ConfigDefinition } from "../../config/config_definitions.ts";

/** Kinds of change to one config (AlterConfigOp.OpType). */
export const configOperations = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

/** One change of a config. */
export interface ConfigOperation {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

/** The changes that a request makes to one resource. */
export interface ConfigAlteration {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly operations: readonly ConfigOperation[];
  /** AlterConfigs: configs that are not named are removed. */
  readonly replacesAll: boolean;
}

/** Why a resource stays as it is. */
export type Refusal = { readonly errorCode: number; readonly errorMessage: string };

/** Longest string of older protocol versions, in bytes (Short.MAX_VALUE). */
const VALUE_CHARACTERS_MAX = 32_767;
const NAME_CHARACTERS_MAX = 200;
const MESSAGE_CHARACTERS_MAX = 2000;

/** Names of the operations, by their numbers. */
export const operationNames: Readonly<Record<number, string>> = { 0: "SET", 1: "DELETE", 2: "APPEND", 3: "SUBTRACT" };

/** Carries out the operations on one resource. @returns all its configs afterwards, or why they stay */
export function alter(
  { operations, replacesAll }: ConfigAlteration,
  { current, definitions }: {
    current: Readonly<Record<string, string>>;
    definitions: ReadonlyMap<string, ConfigDefinition>;
  },
): Map<string, string> | Refusal {
  const configs = new Map(replacesAll ? [] : Object.entries(current));
  for (const operation of operations) {
    const { name } = operation;
    const value = operate(operation, configs.get(name), definitions.get(name));
    if (isRefusal(value)) return value;
    if (value === null) configs.delete(name);
    else if (value.length <= VALUE_CHARACTERS_MAX) configs.set(name, value);
    else {
      const why = `it exceeds the maximum value size of ${VALUE_CHARACTERS_MAX} bytes.`;
      return refuse("INVALID_CONFIG", `The configuration value cannot be added because ${why}`);
    }
  }
  return configs;
}

/** @returns the new value, null for none */
function operate(
  { name, configOperation, value }: ConfigOperation,
  current: string | undefined,
  definition: ConfigDefinition | undefined,
): string | Refusal | null {
  if (configOperation === configOperations.delete) return null;
  if (configOperation === configOperations.set) return value;
  if (definition?.type !== "LIST") {
    const operation = operationNames[configOperation];
    return refuse("INVALID_CONFIG", `Can't ${operation} to key ${shown(name)} because its type is not LIST.`);
  }
  const items = (current ?? definition.defaultText ?? "").split(",").filter((item) => item !== "");
  const given = (value ?? "").split(",");
  while (given.length > 1 && given.at(-1) === "") given.pop(); // as Java's split does
  if (configOperation === configOperations.append) return [...new Set([...items, ...given])].join(",");
  return items.filter((item) => !given.includes(item)).join(",");
}

/** Whether two have the same names and values. */
export function isSame<Value>(one: Readonly<Record<string, Value>>, other: Readonly<Record<string, Value>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && one[name] === other[name]);
}

/** Whether something was refused. */
export function isRefusal(result: object | string | number | null): result is Refusal {
  return typeof result === "object" && result !== null && "errorCode" in result;
}

/** A refusal. @param errorMessage is cut where it is too long */
export function refuse(name: keyof typeof errorCode, errorMessage: string): Refusal {
  return { errorCode: errorCode[name], errorMessage: errorMessage.slice(0, MESSAGE_CHARACTERS_MAX) };
}

/** Refuses to change a row that this version cannot read: it would be lost. @param key of the row */
export function refuseUnreadable(key: string): Refusal {
  const why = `this version cannot read the row ${shown(key)} of the metadata store`;
  return refuse(
    "UNSUPPORTED_VERSION",
    `Nothing was changed, because ${why}: change it with the version that wrote it.`,
  );
}

/** A name, as a sentence repeats it. */
export function shown(text: string): string {
  return text.slice(0, NAME_CHARACTERS_MAX);
}

/**
 * Parses and checks the values of settings. Refusals have the messages of Kafka's ConfigDef, so tools that match on them keep working.
 * Pure; any isolate.
 *
 * Source: org.apache.kafka.common.config.ConfigDef (parseType, Range, ValidString, ValidList), 4.3.1.
 */

/** Types of settings and their numbers in DescribeConfigs (DescribeConfigsResponse.ConfigType). */
export const configTypes = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
} as const;

/** Name of a type. */
export type ConfigType = keyof typeof configTypes;

/** A parsed value. A LONG above 2^53 - 1 is Infinity: every such limit means "none". */
export type ConfigValue = number | string | boolean | readonly string[];

/** A value with the name of its setting and its text in DescribeConfigs. */
export interface NamedValue {
  readonly name: string;
  readonly value: ConfigValue;
  readonly text: string;
}

/** A validator: null, or the sentence that refuses the value. */
export type ConfigCheck = (setting: NamedValue) => string | null;

/** The result of parsing: the value, or the sentence that refuses it. */
export type ParsedConfig = NamedValue | { readonly refused: string };

/** Longest string of older protocol versions: 32767 bytes. */
const SHOWN_CHARACTERS_MAX = 200;

const INTEGER_RANGES = {
  SHORT: [-(2n ** 15n), 2n ** 15n - 1n],
  INT: [-(2n ** 31n), 2n ** 31n - 1n],
  LONG: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

/**
 * Parses and checks a value.
 * @param setting its name, type and validator
 * @param text as the user wrote it; surrounding spaces are ignored
 * @returns the value, or the sentence with which Kafka refuses it
 */
export function parseConfigValue(
  setting: { readonly name: string; readonly type: ConfigType; readonly check: ConfigCheck | null },
  text: string,
): ParsedConfig {
  const parsed = parseType(setting.type, text.trim());
  if (typeof parsed === "string") return { refused: invalid(setting.name, text, parsed) };
  const named = { name: setting.name, ...parsed };
  const refused = setting.check?.(named) ?? null;
  return refused === null ? named : { refused };
}

/** Accepts a range with inclusive ends. */
export function between(min: number, max: number): ConfigCheck {
  return ({ name, value, text }) => {
    if (typeof value !== "number") return null;
    if (value < min) return invalid(name, text, `Value must be at least ${min}`);
    return value > max ? invalid(name, text, `Value must be no more than ${max}`) : null;
  };
}

/** Accepts a range without an upper end. */
export function atLeast(min: number): ConfigCheck {
  return between(min, Infinity);
}

/** Accepts one of some words; in a list, each item must be one of them. */
export function oneOf(...words: string[]): ConfigCheck {
  return ({ name, value, text }) => {
    const items = typeof value === "object" ? value : [text];
    if (typeof value === "object" && items.includes("")) return `Configuration '${name}' values must not be empty.`;
    const stranger = items.find((item) => !words.includes(item));
    return stranger === undefined ? null : invalid(name, stranger, `String must be one of: ${words.join(", ")}`);
  };
}

/** Combines checks; the first refusal counts. */
export function allOf(...checks: ConfigCheck[]): ConfigCheck {
  return (setting) => checks.reduce<string | null>((refused, check) => refused ?? check(setting), null);
}

/** Accepts the one value that is implemented so far, where Kafka accepts more. @param because the end of the refusing sentence */
export function onlyFor(served: string, because: string): ConfigCheck {
  return ({ name, text }) =>
    text === served ? null : invalid(name, text, `Only ${served} is supported by this broker so far: ${because}`);
}

/** Accepts a level of gzip; -1 is the library's default. */
export const gzipLevel: ConfigCheck = ({ name, value, text }) =>
  value === -1 || (typeof value === "number" && value >= 1 && value <= 9)
    ? null
    : invalid(name, text, "Value must be between 1 and 9 or equal to -1");

/** Accepts the lists of `leader.replication.throttled.replicas` (ThrottledReplicaListValidator). */
export const throttledReplicas: ConfigCheck = ({ name, value }) => {
  if (typeof value !== "object") return null;
  if ((value.length === 1 && value[0] === "*") || value.every((item) => /^\d+:\d+$/.test(item))) return null;
  const form = "[partitionId]:[brokerId],[partitionId]:[brokerId],...";
  const why = `${name} must be the literal '*' or a list of replicas in the following format: ${form}`;
  return invalid(name, `[${value.join(", ")}]`, why);
};

/** Kafka's sentence for settings that do not fit each other (`require` of its KafkaConfig). */
export function requirement(text: string): string {
  return `requirement failed: ${text}`;
}

/** Kafka's sentence for a refused value (ConfigException). A long value is cut, because answers repeat the sentence. */
export function invalid(name: string, shown: string, why: string): string {
  const value = shown.length > SHOWN_CHARACTERS_MAX ? `${shown.slice(0, SHOWN_CHARACTERS_MAX)}...` : shown;
  return `Invalid value ${value} for configuration ${name}: ${why}`;
}

function parseType(type: ConfigType, text: string): { value: ConfigValue; text: string } | string {
  switch (type) {
    case "BOOLEAN":
      if (/^true$/i.test(text)) return { value: true, text: "true" };
      if (/^false$/i.test(text)) return { value: false, text: "false" };
      return "Expected value to be either true or false";
    case "SHORT":
    case "INT":
    case "LONG":
      return parseInteger(type, text);
    case "DOUBLE":
      return parseDouble(text);
    case "LIST": {
      const items = text === "" ? [] : text.split(",").map((item) => item.trim());
      return { value: items, text: items.join(",") };
    }
    case "STRING":
    case "CLASS":
    case "PASSWORD":
      return { value: text, text };
  }
}

function parseInteger(type: keyof typeof INTEGER_RANGES, text: string): { value: number; text: string } | string {
  const [min, max] = INTEGER_RANGES[type];
  // 20 characters hold every LONG. A longer text never reaches BigInt, whose cost grows with the square of the length.
  const integer = /^[+-]?\d{1,20}$/.test(text) ? BigInt(text.replace("+", "")) : null;
  if (integer === null || integer < min || integer > max) return `Not a number of type ${type}`;
  const value = Number(integer);
  return { value: value > Number.MAX_SAFE_INTEGER ? Infinity : value, text: integer.toString() };
}

function parseDouble(text: string): { value: number; text: string } | string {
  // Double.parseDouble accepts a trailing f or d. Its NaN, Infinity and hexadecimal forms make no sense for any setting here.
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[fd]?$/i.test(text)) return "Not a number of type DOUBLE";
  const value = Number.parseFloat(text);
  return { value, text: Number.isInteger(value) ? value.toFixed(1).replace("e+", "E") : String(value) };
}

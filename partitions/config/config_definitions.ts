/**
 * The definition of a setting, as a row of topic_definitions.ts, broker_definitions.ts or group_definitions.ts. A name that is in no table
 * is not used. Pure data; any isolate.
 */
import type { ConfigCheck, ConfigType } from "./config_values.ts";

/** A broker setting from which a topic setting inherits. */
export interface ConfigSynonym {
  readonly name: string;
  /** Factor for its value: hours and minutes become milliseconds. */
  readonly factor: number;
}

/**
 * How a broker setting changes while the broker runs, as `dynamicConfigUpdateModes` of Kafka's DynamicBrokerConfig says: not at all, for all
 * brokers or one, or for one at a time. What Kafka changes for one at a time (listeners), this broker only reads at its start.
 */
export type UpdateMode = "read-only" | "cluster-wide" | "per-broker";

/** One setting. */
export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  /** Default as text; null: no value unless set. */
  readonly defaultText: string | null;
  readonly check: ConfigCheck | null;
  readonly documentation: string;
  /** For a topic setting: the broker settings it inherits from, the strongest first. */
  readonly synonyms: readonly ConfigSynonym[];
  /** "later": accepted, stored and shown, but without effect so far. */
  readonly effect: "now" | "later";
  /** For a broker setting. */
  readonly update: UpdateMode;
}

/** Options that most settings do not need. */
export interface SettingOptions {
  /** Validator of the parsed value. */
  check?: ConfigCheck;
  /** The setting has no effect so far. */
  later?: true;
  /** How a broker setting changes; read-only by default. */
  update?: UpdateMode;
  /** Broker settings inherited from: "name" or "name*factor". */
  from?: string[];
}

/** Makes one row. @param rest default (null: none), documentation (one sentence), options */
export function setting(
  name: string,
  type: ConfigType,
  ...rest: [defaultText: string | null, documentation: string, options?: SettingOptions]
): ConfigDefinition {
  const [defaultText, documentation, options = {}] = rest;
  const synonyms = (options.from ?? []).map((text) => {
    const [synonym = "", factor = "1"] = text.split("*");
    return { name: synonym, factor: Number(factor) };
  });
  const effect = options.later ? "later" : "now";
  const { check = null, update = "read-only" } = options;
  return { name, type, defaultText, check, documentation, synonyms, effect, update };
}

/** A map of rows by name, in their order. */
export function settingTable(definitions: ConfigDefinition[]): ReadonlyMap<string, ConfigDefinition> {
  return new Map(definitions.map((definition) => [definition.name, definition]));
}

/**
 * What a setting is, as a row of topic_definitions.ts (what can be set on a topic) or broker_definitions.ts (what can be set on
 * the broker). A name that is in neither table is not used. Pure data; any isolate.
 */
import type { ConfigCheck, ConfigType } from "./config_values.ts";

/** A broker setting from which a topic setting takes its default. */
export interface ConfigSynonym {
  readonly name: string;
  /** What its value is multiplied by: hours and minutes become milliseconds. */
  readonly factor: number;
}

/** One setting. */
export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  /** null: no value unless set. */
  readonly defaultText: string | null;
  readonly check: ConfigCheck | null;
  readonly documentation: string;
  /** Of a topic setting: the broker settings it inherits from, the strongest first. */
  readonly synonyms: readonly ConfigSynonym[];
  /** "later": accepted, stored and shown, but nothing acts on it yet. */
  readonly effect: "now" | "later";
}

/** What most settings do without. */
export interface SettingOptions {
  /** Validator of the parsed value. */
  check?: ConfigCheck;
  /** Nothing acts on it yet. */
  later?: true;
  /** Broker settings inherited from: "name" or "name*factor". */
  from?: string[];
}

/** Writes one row. @param rest default (null: none), documentation (one sentence), options */
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
  return { name, type, defaultText, check: options.check ?? null, documentation, synonyms, effect };
}

/** Makes rows findable by name, in their order. */
export function settingTable(definitions: ConfigDefinition[]): ReadonlyMap<string, ConfigDefinition> {
  return new Map(definitions.map((definition) => [definition.name, definition]));
}

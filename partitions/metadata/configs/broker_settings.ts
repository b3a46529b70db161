/**
 * The settings of this broker while it runs: the static ones, and above them the dynamic ones that the metadata store has for all brokers
 * and for this one. The main isolate owns it.
 *
 *   rows of the store ──┐
 *   server.properties ──┴─► layers ─► checked ─► the object that everything on the main isolate reads ─► listeners; shards by a delta
 *
 * Always: what is in force passed every check. A stored value that does not, as another version may have written it, is left out with a
 * sentence, and stays in the store. Source: Kafka's DynamicBrokerConfig.
 */
import type { BrokerConfig } from "../../config/broker/broker_config.ts";
import { brokerDefinitions } from "../../config/broker/broker_definitions.ts";
import { refuseTogether } from "../../config/broker/broker_properties.ts";
import { listenerRateName } from "../../config/broker/broker_quota_settings.ts";
import { isDynamic } from "../../config/broker/described_broker.ts";
import type { DynamicSettings } from "../../config/broker/dynamic_fields.ts";
import { applySettings, dynamicSettings } from "../../config/broker/dynamic_settings.ts";
import { type ConfigLayers, effectiveProperties } from "../../config/config_layers.ts";
import { parseConfigValue } from "../../config/config_values.ts";
import { brokerConfigsKey, type BrokerConfigsOwner, brokerConfigsRowOf } from "../records.ts";
import type { StoreChange, StoredEntry } from "../store/store.ts";
import type { StoreFollower } from "../store/store_follower.ts";

/** Dynamic configs, as they stand in the store. */
export type StoredConfigs = Readonly<Record<string, string>>;

/** What a new server.properties brings. */
export interface ReloadedSettings {
  /** Names of settings that have other values from now on. */
  readonly changed: readonly string[];
  /** Names of settings that have other values at the next start. */
  readonly needRestart: readonly string[];
}

/** A setting whose value in force is another one; null: the default. */
export interface ChangedSetting {
  readonly name: string;
  readonly value: string | null;
}

type SettingsListener = (changed: readonly ChangedSetting[]) => void;

const NOTHING: StoredConfigs = {};

/** The settings. */
export class BrokerSettings {
  /** What is in force: always the same object. */
  readonly config: BrokerConfig;
  readonly #report: (text: string) => void;
  /** null: a row that this version cannot read. */
  readonly #stored = new Map<BrokerConfigsOwner, StoredConfigs | null>();
  readonly #listeners = new Set<SettingsListener>();

  /** @param config what the broker was started with; it belongs to this from now on @param report gets sentences for the operator */
  constructor(config: BrokerConfig, report: (text: string) => void) {
    this.config = config;
    this.#report = report;
  }

  /** What the store has for this broker (its node id) or for all ("default"); null where this version cannot read it. */
  stored(owner: BrokerConfigsOwner): StoredConfigs | null {
    const stored = this.#stored.get(owner);
    return stored === undefined ? NOTHING : stored;
  }

  /** What is in force, for the shards. */
  get dynamic(): DynamicSettings {
    return dynamicSettings(this.config.layers, this.config);
  }

  /** Calls a listener after each change. It must not throw. @returns ends that when disposed */
  listen(listener: SettingsListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Takes what the store has, or what has changed in it. @param rows of any kind */
  load(rows: readonly (StoreChange | StoredEntry)[]): void {
    const configs = new Map<BrokerConfigsOwner, StoredConfigs | null>();
    for (const owner of ["default", this.config.nodeId] as const) {
      const row = rows.find(({ key }) => key === brokerConfigsKey(owner));
      if (row === undefined) continue;
      configs.set(owner, "deleted" in row ? NOTHING : brokerConfigsRowOf(row)?.configs ?? null);
    }
    this.store(configs);
  }

  /** The store has other configs. @param configs by owner, null where this version cannot read them; those of other brokers do not matter */
  store(configs: ReadonlyMap<BrokerConfigsOwner, StoredConfigs | null>): void {
    const own = [...configs].filter(([owner]) => this.isConcerned(owner));
    if (own.length === 0) return;
    for (const [owner, row] of own) {
      this.#stored.set(owner, row);
      if (row !== null) continue;
      const why = `this version cannot read ${brokerConfigsKey(owner)}`;
      this.#report(`The stored settings of ${nameOf(owner)} are not used: ${why}`);
    }
    const { nodeId, layers } = this.config;
    let next: ConfigLayers = { broker: NOTHING, default: NOTHING, static: layers.static };
    for (const [layer, owner] of [["default", "default"], ["broker", nodeId]] as const) {
      const usable = this.#usable(owner, own.some(([changed]) => changed === owner));
      const added = { ...next, [layer]: usable };
      const refused = refuseTogether(effectiveProperties(added));
      if (refused === null) next = added;
      else this.#report(`The stored settings of ${nameOf(owner)} are not used: ${refused}`);
    }
    this.#apply(next);
  }

  /** Whether rows of this owner are about this broker. */
  isConcerned(owner: BrokerConfigsOwner): boolean {
    return owner === "default" || owner === this.config.nodeId;
  }

  /** Takes the rows of a shared store, and follows them. It must come before whatever else follows the store and asks for settings. */
  follow(follower: Pick<StoreFollower, "rows" | "follow">): Disposable {
    this.load([...follower.rows.values()]);
    return follower.follow((changes) => this.load(changes));
  }

  /**
   * Takes the settings of a new server.properties, as far as they can change now.
   * @param started the settings of a broker that would be started with it
   * @returns what became of them, or why nothing changed
   */
  reload(started: BrokerConfig): ReloadedSettings | { readonly refused: string } {
    const { layers } = this.config;
    const [now, wanted] = [layers.static, started.layers.static];
    const differing = differences(now, wanted);
    const changed = differing.filter((name) => {
      const definition = brokerDefinitions.get(name);
      return definition !== undefined && isDynamic(definition);
    });
    const next: Record<string, string> = { ...now };
    for (const name of changed) {
      const value = wanted[name];
      if (value === undefined) delete next[name];
      else next[name] = value;
    }
    const added = { ...layers, static: next };
    const refused = refuseTogether(effectiveProperties(added));
    if (refused !== null) return { refused };
    if (changed.length > 0) this.#apply(added);
    const secrets = this.config.interBrokerSecret === started.interBrokerSecret &&
        this.config.etcd?.password === started.etcd?.password
      ? []
      : PASSWORDS.filter((name) => name in now || name in wanted);
    const [rates, ratesWanted] = [this.config, started].map(listenerRates) as [StoredConfigs, StoredConfigs];
    const others = [...secrets, ...differences(rates, ratesWanted)];
    const needRestart = [...differing.filter((name) => !changed.includes(name)), ...others];
    return { changed: changed.sort(), needRestart: [...new Set(needRestart)].sort() };
  }

  /** The stored values that this version takes. @param reports whether others are reported */
  #usable(owner: BrokerConfigsOwner, reports: boolean): StoredConfigs {
    const usable: Record<string, string> = {};
    for (const [name, text] of Object.entries(this.stored(owner) ?? NOTHING)) {
      const refused = refuseStored(name, text);
      if (refused === null) usable[name] = text;
      else if (reports) this.#report(`A stored setting of ${nameOf(owner)} is not used: ${refused}`);
    }
    return usable;
  }

  #apply(layers: ConfigLayers): void {
    const last = this.config.properties;
    applySettings(this.config, dynamicSettings(layers, this.config));
    const { properties } = this.config;
    const changed = differences(last, properties).map((name) => ({ name, value: properties[name] ?? null }));
    for (const listener of this.#listeners) listener(changed);
  }
}

/** Settings of single listeners, which are in no table. */
function listenerRates({ listenerConnectionCreationRates: rates }: BrokerConfig): StoredConfigs {
  return Object.fromEntries([...rates].map(([listener, rate]) => [listenerRateName(listener), String(rate)]));
}

/** Names that have other values, or none. */
function differences(one: StoredConfigs, other: StoredConfigs): string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((name) => one[name] !== other[name]).sort();
}

/** Settings whose values are not kept with the others. */
const PASSWORDS = ["barnabas.inter.broker.secret", "barnabas.etcd.password"];

/** Why a stored value is not used; null when it is. */
export function refuseStored(name: string, text: string): string | null {
  const definition = brokerDefinitions.get(name);
  if (definition === undefined) return `this version has no setting ${name}`;
  if (!isDynamic(definition)) return `${name} does not change while a broker runs`;
  const parsed = parseConfigValue(definition, text);
  return "refused" in parsed ? parsed.refused : null;
}

function nameOf(owner: BrokerConfigsOwner): string {
  return owner === "default" ? "all brokers" : `broker ${owner}`;
}

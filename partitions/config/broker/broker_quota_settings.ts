/**
 * Builds the broker's settings of quotas. Pure; any isolate.
 *
 * A listener has settings of its own: `listener.name.NAME.max.connection.creation.rate`, the name in lower case, as in Kafka.
 */
import { parseConfigValue } from "../config_values.ts";
import type { BrokerConfig } from "./broker_config.ts";
import { brokerQuotaDefinitions } from "./broker_quota_definitions.ts";

const LISTENER_RATE = /^listener\.name\.([a-z0-9_.-]+)\.max\.connection\.creation\.rate$/;
const rateDefinition = brokerQuotaDefinitions.find(({ name }) => name === "max.connection.creation.rate");

/** The settings. */
export type BrokerQuotaSettings = Pick<
  BrokerConfig,
  | "maxConnectionCreationRate"
  | "listenerConnectionCreationRates"
  | "quotaWindowNum"
  | "quotaWindowMs"
  | "controllerQuotaWindowNum"
  | "controllerQuotaWindowMs"
>;

/** Name of the setting of a listener. @param listener in lower case */
export function listenerRateName(listener: string): string {
  return `listener.name.${listener}.max.connection.creation.rate`;
}

/** Whether a property is a setting of a listener. */
export function isListenerRate(name: string): boolean {
  return LISTENER_RATE.test(name);
}

/** Builds the settings. @param number of a setting @param properties of the broker @returns them, or why a property is wrong */
export function quotaSettingsFrom(
  number: (name: string) => number,
  properties: ReadonlyMap<string, string>,
): BrokerQuotaSettings | { readonly refused: string } {
  const rates = new Map<string, number>();
  for (const [name, text] of properties) {
    const listener = LISTENER_RATE.exec(name)?.[1];
    if (listener === undefined || rateDefinition === undefined) continue;
    const parsed = parseConfigValue({ ...rateDefinition, name }, text);
    if ("refused" in parsed) return parsed;
    rates.set(listener, Number(parsed.value));
  }
  return {
    maxConnectionCreationRate: number("max.connection.creation.rate"),
    listenerConnectionCreationRates: rates,
    quotaWindowNum: number("quota.window.num"),
    quotaWindowMs: 1000 * number("quota.window.size.seconds"),
    controllerQuotaWindowNum: number("controller.quota.window.num"),
    controllerQuotaWindowMs: 1000 * number("controller.quota.window.size.seconds"),
  };
}

/**
 * The value of `max.connections.per.ip.overrides`: "address:count,address:count". Pure; any isolate.
 *
 * Not done: Kafka also takes host names, which it resolves once at start.
 */
import type { ConfigCheck } from "../config_values.ts";

const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f:]*:[\da-f:.]*)$/;

/** Accepts a list of addresses with counts. */
export const connectionOverridesCheck: ConfigCheck = ({ name, text }) => {
  const wrong = entriesOf(text).find(([address, count]) => !ADDRESS.test(address) || !/^\d{1,9}$/.test(count));
  return wrong === undefined
    ? null
    : `${name} takes addresses with counts ("10.0.0.7:200"); "${wrong.join(":")}" is none`;
};

/** Limits by address. @param text that passes the check; empty for none */
export function connectionOverrides(text: string): Record<string, number> {
  return Object.fromEntries(entriesOf(text).map(([address, count]) => [address, Number(count)]));
}

/** The last colon separates address and count, because IPv6 addresses contain colons. */
function entriesOf(text: string): [address: string, count: string][] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "").map((part) => {
    const at = part.lastIndexOf(":");
    const address = part.slice(0, Math.max(0, at)).toLowerCase();
    return [address.replace(/^\[(.*)\]$/, "$1"), part.slice(at + 1)];
  });
}

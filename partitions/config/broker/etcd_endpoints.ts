/**
 * The value of `barnabas.etcd.endpoints`: URLs of an etcd's members, or "managed". Pure; any isolate.
 *
 * A password in a URL is refused, because URLs stand in messages and in DescribeConfigs.
 */
import type { ConfigCheck } from "../config_values.ts";

/** In place of URLs: the broker starts an etcd itself. */
export const MANAGED = "managed";

/** Accepts "managed", or a list of URLs without paths and passwords. */
export const etcdEndpointsCheck: ConfigCheck = ({ name, value, text }) => {
  const texts = typeof value === "object" ? value : [];
  // What stands before the last "@" may be a password, with commas in it.
  if (text.includes("@")) {
    const host = text.slice(text.lastIndexOf("@"));
    return `${name}: "…${host}" has a user: write it to barnabas.etcd.username and barnabas.etcd.password`;
  }
  if (texts.length === 1 && texts[0] === MANAGED) return null;
  const origins = new Set<string>();
  for (const endpoint of texts) {
    const origin = originOf(endpoint);
    if (endpoint === MANAGED) return `${name}: ${MANAGED} stands alone`;
    if (origin === null) return `${name}: "${endpoint}" is no endpoint of etcd; it looks like http://127.0.0.1:2379`;
    if (origins.has(origin)) return `${name}: ${origin} is there twice`;
    origins.add(origin);
  }
  return texts.length === 0 ? `${name} names no member of an etcd` : null;
};

/** The endpoints without slashes at the end. @param texts that pass the check */
export function etcdOrigins(texts: readonly string[]): string[] {
  return texts.map(originOf).filter((origin) => origin !== null);
}

/** @returns null for what is no endpoint */
function originOf(text: string): string | null {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return null;
  return url.pathname === "/" && url.search === "" && url.hash === "" ? url.origin : null;
}

/** Services of a shard for tests, which pass only those that they use. Tests only. */
import type { ShardServices } from "./handler.ts";

/** What a test passes: whole services, or the parts of one that it uses. */
export type GivenServices = {
  readonly [Name in keyof ShardServices]?: ShardServices[Name] | PartOf<ShardServices[Name]>;
};

type PartOf<T> = T extends ((...args: never[]) => unknown) | string ? never : Partial<T>;

/** Builds services from what a test passes. Any other service throws with its name when it is used. */
export function servicesOf(given: GivenServices): ShardServices {
  const services = Object.entries(given).map(([name, value]) => [name, isPlain(value) ? throwing(name, value) : value]);
  return throwing("services", Object.fromEntries(services)) as ShardServices;
}

function throwing(owner: string, given: object): object {
  return new Proxy(given, {
    get(parts, name) {
      if (name in parts || typeof name === "symbol") return Reflect.get(parts, name);
      throw new Error(`The test gives no ${owner}.${name}`);
    },
  });
}

/** Whether a value is an object literal of a test, not an instance of a class. */
function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Services of a shard for tests, which give those that they use. Tests only. */
import type { ShardServices } from "./handler.ts";

/** What a test gives: whole services, or those parts of one that it uses. */
export type GivenServices = {
  readonly [Name in keyof ShardServices]?: ShardServices[Name] | PartOf<ShardServices[Name]>;
};

type PartOf<T> = T extends ((...args: never[]) => unknown) | string ? never : Partial<T>;

/** Services of which a test gives some. What it does not give throws by its name as soon as somebody uses it. */
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

/** Whether it is an object that a test wrote down, and no instance of a class. */
function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

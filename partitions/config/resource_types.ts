/** Types of resources that have configs, and their numbers in requests. Pure data; any isolate. Source: ConfigResource.Type. */
export const resourceTypes = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const;

/** Whether the name of a broker resource is a number, as Java reads one: there may be zeros and a sign before it. */
export function isBrokerNumber(name: string): boolean {
  return /^[+-]?\d{1,10}$/.test(name);
}

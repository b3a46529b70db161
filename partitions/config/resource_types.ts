/** Types of resources that have configs, and their numbers in requests. Pure data; any isolate. Source: ConfigResource.Type. */
export const resourceTypes = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const;

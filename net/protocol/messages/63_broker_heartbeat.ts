/**
 * BrokerHeartbeat, API key 63: a registered broker tells the controller that it is alive. Plain data. Source: Kafka 4.3
 * BrokerHeartbeatRequest.json, BrokerHeartbeatResponse.json.
 *
 * v0 flexible from the start (KIP-631) · v1 log directories that have failed (KIP-858) · v2 cordoned log directories (KIP-1066).
 *
 * The offset in the metadata log is the revision of the broker's image here.
 */
import { array, bool, type Encodable, field, type Infer, int16, int32, int64, message, uuid } from "../schema.ts";

/** The request, in all its versions. */
export const brokerHeartbeatRequest = message({ apiKey: 63, versions: "0-2", flexible: "0+" }, {
  brokerId: field(int32, "0+"),
  brokerEpoch: field(int64, "0+", { default: -1 }),
  currentMetadataOffset: field(int64, "0+"),
  wantFence: field(bool, "0+"),
  wantShutDown: field(bool, "0+"),
  offlineLogDirs: field(array(uuid), "1+", { tag: 0, taggedVersions: "1+" }),
  cordonedLogDirs: field(array(uuid), "2+", { nullable: "2+", default: null, tag: 1, taggedVersions: "2+" }),
});

/** The response, in all its versions. */
export const brokerHeartbeatResponse = message({ apiKey: 63, versions: "0-2", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+"),
  isCaughtUp: field(bool, "0+", { default: false }),
  isFenced: field(bool, "0+", { default: true }),
  shouldShutDown: field(bool, "0+"),
});

/** What a broker says. */
export type BrokerHeartbeatRequest = Infer<typeof brokerHeartbeatRequest>;
/** What the controller answers. */
export type BrokerHeartbeatResponse = Encodable<typeof brokerHeartbeatResponse>;

/**
 * BrokerRegistration, API key 62: a broker's process asks the controller to be registered. Plain data. Source: Kafka 4.3
 * BrokerRegistrationRequest.json, BrokerRegistrationResponse.json.
 *
 * v0 flexible from the start (KIP-631) · v1 brokers that migrate from ZooKeeper · v2 log directories (KIP-858) · v3 epoch of the process that
 * stopped cleanly (KIP-966) · v4 features that begin at 0 (KAFKA-17011).
 *
 * Tagged fields from 10000 on are our own. Kafka leaves out tags that it does not know.
 *
 *   10000 knownBrokerEpoch  epoch of the broker's last registration that the process knows, 0 for none. The late request of a
 *                           process that has died thus does not take the place of its successor.
 *   10001 directoryId       identity of the data directories as a whole. Another one has none of the records.
 *   10002 shards            number of shards
 *   10003 softwareVersion   version of the program
 */
import {
  array,
  bool,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int64,
  message,
  string,
  struct,
  uint16,
  uuid,
} from "../schema.ts";

/** The request, in all its versions. */
export const brokerRegistrationRequest = message({ apiKey: 62, versions: "0-4", flexible: "0+" }, {
  brokerId: field(int32, "0+"),
  clusterId: field(string, "0+"),
  incarnationId: field(uuid, "0+"),
  listeners: field(
    array(struct({
      name: field(string, "0+"),
      host: field(string, "0+"),
      port: field(uint16, "0+"),
      securityProtocol: field(int16, "0+"), // 0 = PLAINTEXT
    })),
    "0+",
  ),
  features: field(
    array(struct({
      name: field(string, "0+"),
      minSupportedVersion: field(int16, "0+"),
      maxSupportedVersion: field(int16, "0+"),
    })),
    "0+",
  ),
  rack: field(string, "0+", { nullable: "0+" }),
  isMigratingZkBroker: field(bool, "1+", { default: false }),
  logDirs: field(array(uuid), "2+", { ignorable: true }),
  previousBrokerEpoch: field(int64, "3+", { default: -1, ignorable: true }),
  knownBrokerEpoch: field(int64, "0+", { default: 0, tag: 10_000, taggedVersions: "0+" }),
  directoryId: field(string, "0+", { default: "", tag: 10_001, taggedVersions: "0+" }),
  shards: field(int32, "0+", { default: 0, tag: 10_002, taggedVersions: "0+" }),
  softwareVersion: field(string, "0+", { default: "", tag: 10_003, taggedVersions: "0+" }),
});

/** The response, in all its versions. */
export const brokerRegistrationResponse = message({ apiKey: 62, versions: "0-4", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+"),
  brokerEpoch: field(int64, "0+", { default: -1 }),
});

/** What a broker asks. */
export type BrokerRegistrationRequest = Infer<typeof brokerRegistrationRequest>;
/** What the controller answers. */
export type BrokerRegistrationResponse = Encodable<typeof brokerRegistrationResponse>;

import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type BrokerRegistrationRequest,
  brokerRegistrationRequest,
  type BrokerRegistrationResponse,
} from "../protocol/messages/62_broker_registration.ts";
import { Reader } from "../protocol/reader.ts";
import { Writer } from "../protocol/writer.ts";
import { handleBrokerRegistration } from "./62_broker_registration.ts";
import { context, servedVersions, testServices, WireExchange } from "./handler_testing.ts";

const INCARNATION = "aW5jYXJuYXRpb24gMiBvZg";
const DIRECTORY = "ZGlyZWN0b3J5LW9mLXRlcw";

const request: BrokerRegistrationRequest = {
  brokerId: 2,
  clusterId: "the-cluster",
  incarnationId: INCARNATION,
  listeners: [{ name: "PLAINTEXT", host: "two.example.org", port: 65535, securityProtocol: 0 }],
  features: [],
  rack: "b",
  isMigratingZkBroker: false,
  logDirs: [DIRECTORY],
  previousBrokerEpoch: 2 ** 40,
  knownBrokerEpoch: 2 ** 40 + 1,
  directoryId: "disks of 2",
  shards: 4,
  softwareVersion: "1.2.3",
};

/** The request as the broker decodes it in a version. */
function received(version: number): BrokerRegistrationRequest {
  const writer = new Writer();
  const { previousBrokerEpoch, logDirs, ...older } = request;
  const sent = { ...older, ...(version >= 2 ? { logDirs } : { logDirs: [] }) };
  brokerRegistrationRequest.encode(writer, version, version >= 3 ? { ...sent, previousBrokerEpoch } : sent);
  const reader = new Reader(writer.toBytes());
  const decoded = brokerRegistrationRequest.decode(reader, version);
  assert.deepEqual([reader.failure, reader.remaining], [null, 0]);
  return decoded;
}

for (const version of servedVersions(62)) {
  Deno.test(`handleBrokerRegistration() v${version} passes on what the broker says, and answers what the controller says`, () => {
    const { services, calls } = testServices();
    const connection = context({ brokerId: 2 });
    const exchange = new WireExchange<BrokerRegistrationResponse>(62, version, connection);
    handleBrokerRegistration(received(version), exchange, services);
    const registration = {
      broker: 2,
      clusterId: "the-cluster",
      incarnation: INCARNATION,
      directoryId: "disks of 2",
      cleanEpoch: version >= 3 ? 2 ** 40 : -1,
      knownEpoch: 2 ** 40 + 1,
      rack: "b",
      listeners: [{ name: "PLAINTEXT", host: "two.example.org", port: 65535 }],
      directories: version >= 2 ? [DIRECTORY] : [],
      shards: 4,
      version: "1.2.3",
    };
    assert.deepEqual(calls.map(({ name, args }) => [name, args]), [["brokerRegistration", registration]]);
    calls[0]?.answer({ errorCode: errorCode.DUPLICATE_BROKER_REGISTRATION, brokerEpoch: 77 });
    const { errorCode: code, brokerEpoch } = exchange.answer;
    assert.deepEqual([code, brokerEpoch], [errorCode.DUPLICATE_BROKER_REGISTRATION, 77]);
  });
}

Deno.test("handleBrokerRegistration() asks nobody for a connection that has not proved to be of that broker", () => {
  for (const brokerId of [null, 1, 3, -1]) {
    const { services, calls } = testServices();
    const exchange = new WireExchange<BrokerRegistrationResponse>(62, 4, context({ brokerId }));
    handleBrokerRegistration(request, exchange, services);
    const { errorCode: code, brokerEpoch } = exchange.answer;
    assert.deepEqual([code, brokerEpoch], [errorCode.CLUSTER_AUTHORIZATION_FAILED, -1]);
    assert.equal(calls.length, 0);
  }
});

Deno.test("handleBrokerRegistration() answers UNKNOWN_SERVER_ERROR when the control plane has failed", () => {
  const { services, calls } = testServices();
  const exchange = new WireExchange<BrokerRegistrationResponse>(62, 4, context({ brokerId: 2 }));
  handleBrokerRegistration(request, exchange, services);
  calls[0]?.answer({ failure: "the store is gone" });
  assert.equal(exchange.answer.errorCode, errorCode.UNKNOWN_SERVER_ERROR);
});

Deno.test("brokerRegistrationRequest has our tagged fields behind Kafka's, which reads over them", () => {
  const writer = new Writer();
  brokerRegistrationRequest.encode(writer, 4, request);
  // 10000 to 10003 as varints, each with its length and value: int64, compact string, int32, compact string.
  const tags = [
    "04",
    "904e 08 0000010000000001",
    "914e 0b 0b 6469736b73206f662032",
    "924e 04 00000004",
    "934e 06 06 312e322e33",
  ].join("").replaceAll(" ", "");
  assert.equal(writer.toBytes().toHex().slice(-tags.length), tags);
});

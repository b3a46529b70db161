import assert from "node:assert/strict";
import type { RequestExchange } from "../requests/exchange.ts";
import { errorCode } from "../protocol/error_codes.ts";
import { type ApiVersionsResponse, apiVersionsResponse } from "../protocol/messages/18_api_versions.ts";
import { Reader } from "../protocol/reader.ts";
import { Writer } from "../protocol/writer.ts";
import { apiVersionsApi } from "./18_api_versions.ts";
import { context, servedVersions, testServices, WireExchange } from "./handler_testing.ts";
import { apis } from "./mod.ts";

const { services } = testServices();

function handle(version: number, clientSoftwareName = "", clientSoftwareVersion = "") {
  const connection = context();
  const exchange = new WireExchange<ApiVersionsResponse>(18, version, connection);
  const request = { clientSoftwareName, clientSoftwareVersion };
  apiVersionsApi.handlerOf(services)(request as never, exchange as never, services);
  return { answer: exchange.answer, connection };
}

for (const version of servedVersions(18)) {
  Deno.test(`ApiVersions v${version} lists every API that clients use, Produce from 0, and its features`, () => {
    const { answer } = handle(version, "librdkafka", "2.15.0");
    assert.equal(answer.errorCode, errorCode.NONE);
    const advertised = apis.flatMap(({ key, advertised }) =>
      advertised === null ? [] : [{ apiKey: key, minVersion: advertised[0], maxVersion: advertised[1] }]
    );
    assert.deepEqual(answer.apiKeys, advertised);
    assert.deepEqual(answer.apiKeys[0], { apiKey: 0, minVersion: 0, maxVersion: 13 });
    // A real broker of 4.3.1 lists these too, with lower levels and besides features that are not implemented here.
    const supported = [
      { name: "group.version", minVersion: 1, maxVersion: 1 },
      { name: "metadata.version", minVersion: 30, maxVersion: 30 },
    ];
    const finalized = supported.map(({ name, maxVersion }) => ({
      name,
      maxVersionLevel: maxVersion,
      minVersionLevel: maxVersion,
    }));
    assert.deepEqual(answer.supportedFeatures, version >= 3 ? supported : []);
    assert.deepEqual(answer.finalizedFeatures, version >= 3 ? finalized : []);
    assert.equal(answer.finalizedFeaturesEpoch, version >= 3 ? services.image.version : -1);
  });
}

Deno.test("ApiVersions answers with the version of the metadata as the epoch of the features", () => {
  for (const version of [7, 8, 2 ** 40]) {
    services.image.apply({ changed: [], deletedIds: [], version });
    assert.equal(handle(4, "a", "1").answer.finalizedFeaturesEpoch, version);
  }
  services.image.apply({ changed: [], deletedIds: [] });
  assert.equal(handle(4, "a", "1").answer.finalizedFeaturesEpoch, 2 ** 40, "a partition that moved is no change");
});

Deno.test("ApiVersions remembers the client's software from v3 on, and cuts overlong names", () => {
  assert.equal(handle(3, "apache-kafka-java", "4.3.1").connection.clientSoftware, "apache-kafka-java 4.3.1");
  assert.equal(handle(2).connection.clientSoftware, "unknown");
  assert.ok(handle(4, "x".repeat(10_000), "1".repeat(10_000)).connection.clientSoftware.length <= 201);
});

Deno.test("ApiVersions refuses software names and versions that KIP-511 does not allow", () => {
  const bad = ["", "-a", "a-", "a b", ".a", "a.", "a/b", "ä", "a\n", "a\0"];
  for (const text of bad) {
    for (const [name, version] of [[text, "1.0"], ["name", text]]) {
      const { answer, connection } = handle(3, name, version);
      assert.equal(answer.errorCode, errorCode.INVALID_REQUEST, JSON.stringify([name, version]));
      assert.deepEqual(answer.apiKeys, []);
      assert.equal(connection.clientSoftware, "unknown");
    }
  }
  for (const good of ["a", "A0", "a-b.c", "4.3.1", "v1.2.3-rc.1"]) {
    assert.equal(handle(4, good, good).answer.errorCode, errorCode.NONE, good);
  }
});

Deno.test("ApiVersions checks a long hostile name in linear time", () => {
  const name = "a-".repeat(500_000) + "!";
  const start = performance.now();
  assert.equal(handle(3, name, "1").answer.errorCode, errorCode.INVALID_REQUEST);
  assert.ok(performance.now() - start < 10_000, "quadratic time would be minutes");
});

Deno.test("ApiVersions answers an unserved version in v0 with UNSUPPORTED_VERSION and the range of ApiVersions alone (KIP-511)", () => {
  const writer = new Writer();
  let headerVersion = -1;
  const exchange = {
    respondWith(encodeBody: (writer: Writer) => void, apiVersion: number) {
      headerVersion = apiVersion;
      encodeBody(writer);
    },
  };
  apiVersionsApi.handleUnserved?.(exchange as RequestExchange);
  assert.equal(headerVersion, 0);
  const bytes = writer.bytes.slice(0, writer.position);
  // error 35 · 1 key · key 18, 0 to 4
  assert.deepEqual([...bytes], [0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4]);
  const decoded = apiVersionsResponse.decode(new Reader(bytes), 0);
  assert.deepEqual(decoded.apiKeys, [{ apiKey: 18, minVersion: 0, maxVersion: 4 }]);
});

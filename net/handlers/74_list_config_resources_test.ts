import assert from "node:assert/strict";
import { errorCode } from "../protocol/error_codes.ts";
import type { ListConfigResourcesResponse } from "../protocol/messages/74_list_config_resources.ts";
import { handleListConfigResources } from "./74_list_config_resources.ts";
import { testServices, TOPIC_ID, topicImage, WireExchange } from "./handler_testing.ts";

const [TOPIC, BROKER, LOGGER, METRICS, GROUP] = [2, 4, 8, 16, 32];
const { services } = testServices([topicImage("t", TOPIC_ID)]);
const groups = [{ groupId: "g", configs: { "consumer.session.timeout.ms": "50000" } }];
services.image.apply({ changed: [], deletedIds: [], groups });

function list(resourceTypes: number[], version = 1): [code: number, resources: string[]] {
  const exchange = new WireExchange<ListConfigResourcesResponse>(74, version);
  handleListConfigResources({ resourceTypes }, exchange, services);
  const { errorCode: code, configResources } = exchange.answer;
  return [code, configResources.map(({ resourceName, resourceType }) => `${resourceType} ${resourceName}`)];
}

Deno.test("handleListConfigResources() v1 lists each requested type, and all types for an empty list", () => {
  assert.deepEqual(list([TOPIC]), [errorCode.NONE, ["2 t"]]);
  assert.deepEqual(list([BROKER]), [errorCode.NONE, ["4 1"]]);
  assert.deepEqual(list([LOGGER]), [errorCode.NONE, ["8 1"]]);
  assert.deepEqual(list([METRICS]), [errorCode.NONE, []]);
  assert.deepEqual(list([GROUP, GROUP]), [errorCode.NONE, ["32 g"]]);
  assert.deepEqual(list([GROUP, TOPIC]), list([TOPIC, GROUP]));
  assert.deepEqual(list([]), [errorCode.NONE, ["2 t", "4 1", "8 1", "32 g"]]);
});

Deno.test("handleListConfigResources() v0 lists client metrics, of which there are none", () => {
  assert.deepEqual(list([], 0), [errorCode.NONE, []]);
});

Deno.test("handleListConfigResources() refuses the whole request when it names an unknown type", () => {
  for (const unknown of [0, 1, 64, -1]) assert.deepEqual(list([TOPIC, unknown]), [errorCode.UNSUPPORTED_VERSION, []]);
});

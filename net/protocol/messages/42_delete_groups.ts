/**
 * DeleteGroups, API key 42 (KIP-229). Plain data. Source: Kafka 4.3
 * DeleteGroupsRequest.json, DeleteGroupsResponse.json.
 *
 * v2 flexible (KIP-482).
 */
import { array, type Encodable, field, type Infer, int16, int32, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const deleteGroupsRequest = message({ apiKey: 42, versions: "0-2", flexible: "2+" }, {
  groupsNames: field(array(string), "0+"),
});

const deletableGroupResult = struct({
  groupId: field(string, "0+"),
  errorCode: field(int16, "0+"),
});

/** The response, in all its versions. */
export const deleteGroupsResponse = message({ apiKey: 42, versions: "0-2", flexible: "2+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  results: field(array(deletableGroupResult), "0+"),
});

/** What a client asks. */
export type DeleteGroupsRequest = Infer<typeof deleteGroupsRequest>;
/** What the broker answers. */
export type DeleteGroupsResponse = Encodable<typeof deleteGroupsResponse>;
/** One group's part of the answer. */
export type DeletableGroupResult = Encodable<typeof deletableGroupResult>;

/**
 * ListGroups, API key 16: the groups that this broker coordinates. Plain data. Source: Kafka 4.3
 * ListGroupsRequest.json, ListGroupsResponse.json.
 *
 * v1 throttle time (KIP-124) · v3 flexible (KIP-482) · v4 states (KIP-518) · v5 types (KIP-848).
 */
import { array, type Encodable, field, type Infer, int16, int32, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const listGroupsRequest = message({ apiKey: 16, versions: "0-5", flexible: "3+" }, {
  statesFilter: field(array(string), "4+", { default: [] }),
  typesFilter: field(array(string), "5+", { default: [] }),
});

const listedGroup = struct({
  groupId: field(string, "0+"),
  protocolType: field(string, "0+"),
  groupState: field(string, "4+", { default: "", ignorable: true }),
  groupType: field(string, "5+", { default: "", ignorable: true }),
});

/** The response, in all its versions. */
export const listGroupsResponse = message({ apiKey: 16, versions: "0-5", flexible: "3+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  errorCode: field(int16, "0+"),
  groups: field(array(listedGroup), "0+"),
});

/** What a client asks. */
export type ListGroupsRequest = Infer<typeof listGroupsRequest>;
/** What the broker answers. */
export type ListGroupsResponse = Encodable<typeof listGroupsResponse>;
/** One group. */
export type ListedGroup = Encodable<typeof listedGroup>;

/**
 * Heartbeat, API key 12: keeps the session of a classic group's member alive. Plain data. Source: Kafka 4.3
 * HeartbeatRequest.json, HeartbeatResponse.json.
 *
 * v1 throttle time (KIP-124) · v3 static members (KIP-345) · v4 flexible (KIP-482).
 */
import { type Encodable, field, type Infer, int16, int32, message, string } from "../schema.ts";

/** The request, in all its versions. */
export const heartbeatRequest = message({ apiKey: 12, versions: "0-4", flexible: "4+" }, {
  groupId: field(string, "0+"),
  generationId: field(int32, "0+"),
  memberId: field(string, "0+"),
  groupInstanceId: field(string, "3+", { nullable: "3+", default: null }),
});

/** The response, in all its versions. */
export const heartbeatResponse = message({ apiKey: 12, versions: "0-4", flexible: "4+" }, {
  throttleTimeMs: field(int32, "1+", { default: 0, ignorable: true }),
  errorCode: field(int16, "0+"),
});

/** What a client asks. */
export type HeartbeatRequest = Infer<typeof heartbeatRequest>;
/** What the broker answers. */
export type HeartbeatResponse = Encodable<typeof heartbeatResponse>;

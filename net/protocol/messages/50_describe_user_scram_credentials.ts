/**
 * DescribeUserScramCredentials, API key 50: which SCRAM credentials users have (KIP-554). Plain data. Source: Kafka 4.3
 * DescribeUserScramCredentialsRequest.json, DescribeUserScramCredentialsResponse.json.
 *
 * v0 flexible (KIP-482).
 */
import { array, type Encodable, field, type Infer, int16, int32, int8, message, string, struct } from "../schema.ts";

/** The request, in all its versions. */
export const describeUserScramCredentialsRequest = message({ apiKey: 50, versions: "0", flexible: "0+" }, {
  users: field(array(struct({ name: field(string, "0+") })), "0+", { nullable: "0+" }), // null or empty = all
});

const describedUserFields = {
  user: field(string, "0+"),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
  credentialInfos: field(
    array(struct({
      mechanism: field(int8, "0+"), // 1 = SCRAM-SHA-256, 2 = SCRAM-SHA-512
      iterations: field(int32, "0+"),
    })),
    "0+",
  ),
} as const;
const describedUser = struct(describedUserFields);

/** One user of the response, for an answer that is encoded one user at a time. */
export const describedUserElement = message({ apiKey: 50, versions: "0", flexible: "0+" }, describedUserFields);

/** The response, in all its versions. */
export const describeUserScramCredentialsResponse = message({ apiKey: 50, versions: "0", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
  results: field(array(describedUser), "0+"),
});

/** What a client asks. */
export type DescribeUserScramCredentialsRequest = Infer<typeof describeUserScramCredentialsRequest>;
/** What the broker answers. */
export type DescribeUserScramCredentialsResponse = Encodable<typeof describeUserScramCredentialsResponse>;
/** One user's part of the answer. */
export type DescribedUser = Encodable<typeof describedUser>;

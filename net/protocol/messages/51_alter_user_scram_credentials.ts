/**
 * AlterUserScramCredentials, API key 51: sets and removes SCRAM credentials of users (KIP-554). The client salts the password; whoever has a
 * salted password can log in as that user, so it is neither stored nor logged. Plain data. Source: Kafka 4.3
 * AlterUserScramCredentialsRequest.json, AlterUserScramCredentialsResponse.json.
 *
 * v0 flexible (KIP-482).
 */
import {
  array,
  bytes,
  type Encodable,
  field,
  type Infer,
  int16,
  int32,
  int8,
  message,
  string,
  struct,
} from "../schema.ts";

const deletion = struct({
  name: field(string, "0+"),
  mechanism: field(int8, "0+"), // 1 = SCRAM-SHA-256, 2 = SCRAM-SHA-512
});

const upsertion = struct({
  name: field(string, "0+"),
  mechanism: field(int8, "0+"),
  iterations: field(int32, "0+"),
  salt: field(bytes, "0+"),
  saltedPassword: field(bytes, "0+"),
});

/** The request, in all its versions. */
export const alterUserScramCredentialsRequest = message({ apiKey: 51, versions: "0", flexible: "0+" }, {
  deletions: field(array(deletion), "0+"),
  upsertions: field(array(upsertion), "0+"),
});

const alteredUser = struct({
  user: field(string, "0+"),
  errorCode: field(int16, "0+"),
  errorMessage: field(string, "0+", { nullable: "0+" }),
});

/** The response, in all its versions. */
export const alterUserScramCredentialsResponse = message({ apiKey: 51, versions: "0", flexible: "0+" }, {
  throttleTimeMs: field(int32, "0+", { default: 0 }),
  results: field(array(alteredUser), "0+"),
});

/** What a client asks. */
export type AlterUserScramCredentialsRequest = Infer<typeof alterUserScramCredentialsRequest>;
/** A credential that is set. */
export type ScramUpsertion = Infer<typeof upsertion>;
/** What the broker answers. */
export type AlterUserScramCredentialsResponse = Encodable<typeof alterUserScramCredentialsResponse>;
/** One user's part of the answer. */
export type AlteredUser = Encodable<typeof alteredUser>;

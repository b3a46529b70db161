/**
 * DescribeUserScramCredentials, API key 50 (KIP-554): the mechanisms and numbers of iterations of users' credentials, from the shard's copy
 * of the image, which has no more of them than that.
 *
 * v0 flexible. A user who is named twice is refused. An answer is made over several turns, one user at a time.
 *
 * Source: Kafka's ScramImage.describe, with its sentences.
 */
import { scramMechanisms, type ScramUser } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { CLUSTER, CLUSTER_REFUSAL } from "../requests/authorization.ts";
import { encodeInSlices } from "../requests/encoded_slices.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type DescribedUser,
  describedUserElement,
  type DescribeUserScramCredentialsRequest,
  describeUserScramCredentialsRequest,
  type DescribeUserScramCredentialsResponse,
  describeUserScramCredentialsResponse,
} from "../protocol/messages/50_describe_user_scram_credentials.ts";

/** The row of DescribeUserScramCredentials. */
export const describeUserScramCredentialsApi = api({
  key: 50,
  name: "DescribeUserScramCredentials",
  served: [0, 0],
  request: describeUserScramCredentialsRequest,
  response: describeUserScramCredentialsResponse,
  needs: { operation: "DESCRIBE", resourceOf: () => CLUSTER, refuse },
  elementsMax: 1 << 13, // users
  isReadOnly: true,
  handle: handleDescribeUserScramCredentials,
});

/** Handles DescribeUserScramCredentials. */
export function handleDescribeUserScramCredentials(
  { users }: DescribeUserScramCredentialsRequest,
  exchange: Exchange<DescribeUserScramCredentialsResponse>,
  { image, slices }: ShardServices,
): void {
  const isAll = users === null || users.length === 0;
  const counts = new Map<string, number>(isAll ? Array.from(image.scramUsers.keys(), (name) => [name, 1]) : []);
  for (const { name } of users ?? []) counts.set(name, (counts.get(name) ?? 0) + 1);
  encodeInSlices(
    {
      items: [...counts],
      element: describedUserElement,
      describe: ([name, count]) => describe(name, count > 1, image.scramUsers.get(name)),
    },
    { slices, exchange },
    (results) => exchange.respond({ errorCode: errorCode.NONE, errorMessage: "", results }),
  );
}

function describe(name: string, isRepeated: boolean, user: ScramUser | undefined): DescribedUser {
  if (isRepeated) {
    const sentence = "Cannot describe SCRAM credentials for the same user twice in a single request: ";
    return refused(name, errorCode.DUPLICATE_RESOURCE, sentence);
  }
  if (user === undefined) {
    const sentence = "Attempt to describe a user credential that does not exist: ";
    return refused(name, errorCode.RESOURCE_NOT_FOUND, sentence);
  }
  const credentialInfos = scramMechanisms.flatMap(({ name: mechanism, type }) => {
    const iterations = user.iterations[mechanism];
    return iterations === undefined ? [] : [{ mechanism: type, iterations }];
  });
  return { user: name, errorCode: errorCode.NONE, errorMessage: "", credentialInfos };
}

function refused(user: string, code: number, sentence: string): DescribedUser {
  return { user, errorCode: code, errorMessage: sentence + user, credentialInfos: [] };
}

/** Refuses a request as a whole; as in Kafka, each user gets the refusal, without a name. */
function refuse({ users }: DescribeUserScramCredentialsRequest): DescribeUserScramCredentialsResponse {
  const results = (users ?? []).map(() => ({ user: "", ...CLUSTER_REFUSAL, credentialInfos: [] }));
  return { ...CLUSTER_REFUSAL, results };
}

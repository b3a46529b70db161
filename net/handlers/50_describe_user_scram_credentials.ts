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
import { CLUSTER } from "../requests/authorization.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import type { SlicedWork } from "../requests/slices.ts";
import { EncodedList } from "../protocol/encoded_list.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
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
  const operation = new DescribeUsersOperation([...counts], exchange, image.scramUsers);
  if (counts.size === 0) operation.finish();
  else slices.run(operation, exchange);
}

/** One answer. */
class DescribeUsersOperation implements SlicedWork {
  /** The users, and how often each is named. */
  readonly #asked: readonly (readonly [name: string, count: number])[];
  readonly #exchange: Exchange<DescribeUserScramCredentialsResponse>;
  readonly #users: ReadonlyMap<string, ScramUser>;
  readonly #results: EncodedList<DescribedUser>;
  #next = 0;

  constructor(
    asked: readonly (readonly [name: string, count: number])[],
    exchange: Exchange<DescribeUserScramCredentialsResponse>,
    users: ReadonlyMap<string, ScramUser>,
  ) {
    this.#asked = asked;
    this.#exchange = exchange;
    this.#users = users;
    this.#results = new EncodedList(describedUserElement, exchange.apiVersion);
  }

  step(): boolean {
    const [name, count] = this.#asked[this.#next++] as readonly [string, number];
    this.#results.add(describe(name, count > 1, this.#users.get(name)));
    return this.#next < this.#asked.length;
  }

  finish(): void {
    this.#exchange.respond({ errorCode: errorCode.NONE, errorMessage: "", results: this.#results.asArray });
  }
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
  const code = errorCode.CLUSTER_AUTHORIZATION_FAILED;
  const refusal = { errorCode: code, errorMessage: errorMessage(code) };
  const results = (users ?? []).map(() => ({ user: "", ...refusal, credentialInfos: [] }));
  return { ...refusal, results };
}

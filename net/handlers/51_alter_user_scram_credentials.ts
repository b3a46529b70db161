/**
 * AlterUserScramCredentials, API key 51 (KIP-554): sets and removes SCRAM credentials; the control plane stores what is made of the salted
 * passwords, which are neither stored nor logged. The answer is sent when every shard knows the users and the change is durable.
 *
 * v0 flexible. A request changes one credential of a user. In a cluster, some users of one request may be changed although others are not,
 * where they exceed what the store takes in one transaction. (Kafka changes all or none.)
 *
 * Not done: logging clients in by these credentials.
 */
import { packUsers } from "../../partitions/mod.ts";
import { api } from "../requests/api.ts";
import { CLUSTER } from "../requests/authorization.ts";
import { askControl } from "../requests/control/control_question.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";
import { errorCode, errorMessage } from "../protocol/error_codes.ts";
import { MadeList } from "../protocol/made_list.ts";
import {
  type AlteredUser,
  type AlterUserScramCredentialsRequest,
  alterUserScramCredentialsRequest,
  type AlterUserScramCredentialsResponse,
  alterUserScramCredentialsResponse,
} from "../protocol/messages/51_alter_user_scram_credentials.ts";
import { plainConstructor } from "../protocol/plain_constructor.ts";
import { isFailure } from "../shards/shard_messages.ts";

/** The row of AlterUserScramCredentials. */
export const alterUserScramCredentialsApi = api({
  key: 51,
  name: "AlterUserScramCredentials",
  served: [0, 0],
  request: alterUserScramCredentialsRequest,
  response: alterUserScramCredentialsResponse,
  needs: {
    operation: "ALTER",
    resourceOf: () => CLUSTER,
    refuse: (request) => refuse(namesOf(request), errorCode.CLUSTER_AUTHORIZATION_FAILED),
  },
  elementsMax: 1 << 10, // credentials: to make each takes about 0.1 ms
  handle: handleAlterUserScramCredentials,
});

/** One for each user of a request, so it is not made by a literal (plain_constructor.ts). */
const Refused = plainConstructor<AlteredUser>()("user", "errorCode", "errorMessage");

/** Handles AlterUserScramCredentials. */
export function handleAlterUserScramCredentials(
  request: AlterUserScramCredentialsRequest,
  exchange: Exchange<AlterUserScramCredentialsResponse>,
  { control }: ShardServices,
): void {
  const names = namesOf(request);
  if (names.length === 0) return exchange.respond({ results: [] });
  const args = { packed: packUsers(request) };
  askControl({ name: "alterUserScramCredentials", args }, { control, exchange }, (result) => {
    exchange.respond(
      isFailure(result) ? refuse(names, errorCode.UNKNOWN_SERVER_ERROR, result.failure) : { results: result },
    );
  });
}

/** The users of a request, each once. */
function namesOf({ deletions, upsertions }: AlterUserScramCredentialsRequest): string[] {
  return [...new Set([...deletions, ...upsertions].map(({ name }) => name))];
}

/** Refuses every user of a request, in Kafka's order. */
function refuse(
  names: readonly string[],
  code: number,
  message = errorMessage(code),
): AlterUserScramCredentialsResponse {
  return { results: MadeList.from(names.toSorted(), (name) => new Refused(name, code, message)).asArray };
}

/** What the log says about changes of client quotas and of SCRAM credentials. Nothing that a password can be guessed from. Main isolate. */
import type { ImageDelta } from "../../partitions/control.ts";
import type { LogFields } from "./operator_log.ts";

type ClientQuota = NonNullable<ImageDelta["clientQuotas"]>[number];
type ScramUser = NonNullable<ImageDelta["scramUsers"]>[number];

/** Types of entities, as Kafka's tools show them. */
const TYPES = [["user", "user"], ["client-id", "client id"], ["ip", "address"]] as const;

/** A sentence for each entity and each user that has changed. */
export function clientSentences(
  { clientQuotas = [], scramUsers = [] }: Pick<ImageDelta, "clientQuotas" | "scramUsers">,
): [string, LogFields][] {
  return [
    ...clientQuotas.map((quota): [string, LogFields] => [quotaSentence(quota), quotaFields(quota)]),
    ...scramUsers.map((user): [string, LogFields] => [userSentence(user), { user: user.name }]),
  ];
}

function quotaSentence({ entity, values }: ClientQuota): string {
  const names = TYPES.flatMap(([type, word]) => {
    const name = entity[type];
    return name === undefined ? [] : [name === null ? `the default ${word}` : `${word} ${name}`];
  });
  const quotas = Object.entries(values).map(([key, value]) => `${key}=${value}`);
  return `Quotas of ${names.join(" with ")} are now: ${quotas.length === 0 ? "none" : quotas.join(", ")}`;
}

function quotaFields({ entity }: ClientQuota): LogFields {
  const { user, "client-id": clientId, ip } = entity;
  return {
    ...(typeof user === "string" ? { user } : {}),
    ...(typeof clientId === "string" ? { clientId } : {}),
    ...(typeof ip === "string" ? { ip } : {}),
  };
}

function userSentence({ name, iterations }: ScramUser): string {
  const credentials = Object.entries(iterations).map(([mechanism, count]) => `${mechanism} (${count} iterations)`);
  return `Credentials of user ${name} are now: ${credentials.length === 0 ? "none" : credentials.join(", ")}`;
}

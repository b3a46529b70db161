/** Requests that change client quotas and credentials, short to write. Tests only. */
import { errorName } from "../../../net/protocol/error_codes.ts";
import type { AlteredQuota } from "../../../net/protocol/messages/49_alter_client_quotas.ts";
import type { AlterUserScramCredentialsRequest } from "../../../net/protocol/messages/51_alter_user_scram_credentials.ts";
import type { ControlPlane } from "../control_calls.ts";
import { packQuotas, packUsers } from "./packed_settings.ts";

/** An entry: names by type, and quotas by name; null removes one. */
export function quotaEntry(
  entity: Readonly<Record<string, string | null>>,
  quotas: Readonly<Record<string, number | null>>,
): AlteredQuota {
  return {
    entity: Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName })),
    ops: Object.entries(quotas).map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
  };
}

/** Changes quotas. @returns error names */
export async function alterQuotas(controller: ControlPlane, entries: readonly AlteredQuota[], validateOnly = false) {
  const packed = packQuotas({ entries, validateOnly });
  const results = await controller.call("alterClientQuotas", { packed });
  return results.map(({ errorCode }) => errorName(errorCode));
}

/** Changes credentials. @returns the error name of each user, by name */
export async function alterUsers(controller: ControlPlane, request: Partial<AlterUserScramCredentialsRequest>) {
  const packed = packUsers({ deletions: [], upsertions: [], ...request });
  const results = await controller.call("alterUserScramCredentials", { packed });
  return Object.fromEntries(results.map(({ user, errorCode }) => [user, errorName(errorCode)]));
}

/** A credential that is set. */
export function upsertion(name: string, options: { mechanism?: number; iterations?: number; seed?: number } = {}) {
  const { mechanism = 1, iterations = 4096, seed = 7 } = options;
  return {
    ...{ name, mechanism, iterations },
    salt: new Uint8Array([seed, 1, 2]),
    saltedPassword: new Uint8Array(mechanism === 1 ? 32 : 64).fill(seed),
  };
}

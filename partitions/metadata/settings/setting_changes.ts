/**
 * Changes of the rows of client quotas and users, as a transaction makes them. Pure; the main isolate runs it.
 *
 * Always: a change is made to the row that was applied last, whose version the transaction compares; what a later version has added to the
 * row stays.
 */
import { rewritten } from "../../cluster/cluster_rows.ts";
import { type ClientQuota, quotaKey } from "./quota_rows.ts";
import type { SettingRows } from "./setting_rows.ts";
import { type ScramMechanism, type StoredCredential, userKey } from "./user_rows.ts";

/** All quotas of an entity after the change; without any, the row is deleted. */
export interface QuotaChange {
  readonly quota: ClientQuota;
}

/** One credential of a user after the change; null: it is deleted, and with the last one the row. */
export interface UserChange {
  readonly user: string;
  readonly mechanism: ScramMechanism["name"];
  readonly credential: StoredCredential | null;
}

/** A change of such a row. */
export type SettingChange = QuotaChange | UserChange;

/** A row to be written. */
export interface SettingWrite {
  readonly key: string;
  /** The version that is compared. */
  readonly version: number;
  /** null: the row is deleted. */
  readonly value: string | null;
}

/** Whether a change is one of these. */
export function isSettingChange(change: object): change is SettingChange {
  return "quota" in change || "user" in change;
}

/** Key of the row of a change. */
export function settingKey(change: SettingChange): string {
  return "quota" in change ? quotaKey(change.quota.entity) : userKey(change.user);
}

/** The row of a change. @param rows as they were when it was planned */
export function settingWrite(change: SettingChange, rows: SettingRows): SettingWrite {
  const key = settingKey(change);
  const last = rows.row(key) ?? null;
  const write = (isKept: boolean, fields: object) => {
    return { key, version: rows.version(key), value: isKept ? rewritten(last, fields) : null };
  };
  if ("quota" in change) {
    const { entity, values } = change.quota;
    return write(Object.keys(values).length > 0, { entity, values });
  }
  const { [change.mechanism]: _, ...others } = last === null ? {} : JSON.parse(last.value).scram;
  const scram = change.credential === null ? others : { ...others, [change.mechanism]: change.credential };
  return write(Object.keys(scram).length > 0, { scram });
}

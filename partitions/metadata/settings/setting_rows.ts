/**
 * The rows of client quotas and of users: as the store has them, for the next compare-and-set, and what the image shows of them. Pure; the
 * main isolate uses it.
 *
 * Always: a row's version is that of the value which the image shows, so a change that was planned from the image compares the right one.
 */
import type { ImageDelta } from "../image.ts";
import { ABSENT, MetadataStoreError, type StoreChange, type StoredEntry } from "../store/store.ts";
import { parseRow } from "../store/stored_row.ts";
import { type ClientQuota, isQuotaRow, quotaKey, QUOTAS } from "./quota_rows.ts";
import { isUserRow, type ScramUser, shownUser, userOfKey, USERS } from "./user_rows.ts";

/** What a change of rows changes in the image. */
export type SettingsDelta = Pick<ImageDelta, "clientQuotas" | "scramUsers">;

/** Whether a key is that of such a row. */
export function isSettingKey(key: string): boolean {
  return key.startsWith(QUOTAS) || key.startsWith(USERS);
}

/** Whether a row can be read: its value has the row's shape, and its key is the one that the value has. */
export function isSettingRow(entry: StoredEntry): boolean {
  return entry.key.startsWith(QUOTAS) ? quotaOf(entry) !== null : userOf(entry) !== null;
}

/** The rows. */
export class SettingRows {
  readonly #rows = new Map<string, StoredEntry>();
  #changedQuotas: ClientQuota[] = [];
  #changedUsers: ScramUser[] = [];

  /** A row as it was applied; undefined without one. */
  row(key: string): StoredEntry | undefined {
    return this.#rows.get(key);
  }

  /** All rows as they were applied. */
  rows(): Iterable<StoredEntry> {
    return this.#rows.values();
  }

  /** Version of a row; ABSENT without one. */
  version(key: string): number {
    return this.#rows.get(key)?.version ?? ABSENT;
  }

  /** Applies a change. @throws MetadataStoreError for a row of another shape: what was shown before it stays */
  apply(change: StoreChange): void {
    const { key } = change;
    const isDeleted = "deleted" in change;
    const entry = isDeleted ? this.#rows.get(key) : change;
    if (entry === undefined) return;
    if (key.startsWith(QUOTAS)) {
      const quota = readable(entry, quotaOf(entry));
      this.#changedQuotas.push(isDeleted ? { ...quota, values: {} } : quota);
    } else {
      const user = readable(entry, userOf(entry));
      this.#changedUsers.push(isDeleted ? { ...user, iterations: {} } : user);
    }
    if (isDeleted) this.#rows.delete(key);
    else this.#rows.set(key, entry);
  }

  /** Takes what was applied since the last call. */
  take(): SettingsDelta {
    const [clientQuotas, scramUsers] = [this.#changedQuotas, this.#changedUsers];
    [this.#changedQuotas, this.#changedUsers] = [[], []];
    return {
      ...(clientQuotas.length === 0 ? {} : { clientQuotas }),
      ...(scramUsers.length === 0 ? {} : { scramUsers }),
    };
  }
}

function quotaOf(entry: StoredEntry): ClientQuota | null {
  const row = parseRow(entry, isQuotaRow);
  return row === null || quotaKey(row.entity) !== entry.key ? null : { entity: row.entity, values: row.values };
}

function userOf(entry: StoredEntry): ScramUser | null {
  const [name, row] = [userOfKey(entry.key), parseRow(entry, isUserRow)];
  return name === null || row === null ? null : shownUser(name, row);
}

function readable<Row>({ key }: StoredEntry, row: Row | null): Row {
  if (row !== null) return row;
  throw new MetadataStoreError(
    `The metadata has a row that this version cannot read: ${key}; start the version that wrote it`,
  );
}

/** The clients of the model of a coordinator (coordinator_model_testing.ts): what they know and wait for. Tests only. */
import type { GroupResponse } from "./group_apis.ts";
import type { Call } from "./group_ports_testing.ts";

/** A request that a member waits for. */
export type Pending =
  | { readonly kind: "join"; readonly call: Call<GroupResponse<11>> }
  | { readonly kind: "sync"; readonly call: Call<GroupResponse<14>> }
  | { readonly kind: "beat"; readonly call: Call<GroupResponse<12>> };

/** A member of a classic group. */
export interface Member {
  readonly groupId: string;
  memberId: string;
  generation: number;
  /** The members it assigns to when it leads. */
  members: readonly string[];
  next: "join" | "sync" | "live";
  pending: Pending | null;
}

/** A member of a consumer group. */
export interface Consumer {
  readonly groupId: string;
  readonly memberId: string;
  epoch: number;
  owned: ReadonlySet<number>;
  heardMs: number;
}

/** A commit that waits for its answer. */
export interface Commit {
  readonly groupId: string;
  readonly offsets: Readonly<Record<number, number>>;
  readonly call: Call<GroupResponse<8>>;
  /** Whether a member already knew a newer generation when the commit was sent. */
  readonly isOld: boolean;
}

/** A member that has not joined. */
export function newMember(groupId: string): Member {
  return { groupId, memberId: "", generation: -1, members: [], next: "join", pending: null };
}

/** A member of a consumer group that has not joined. */
export function newConsumer(groupId: string, memberId: string): Consumer {
  return { groupId, memberId, epoch: 0, owned: new Set(), heardMs: 0 };
}

/** It has no partitions, and joins again. */
export function leave(consumer: Consumer): void {
  [consumer.epoch, consumer.owned] = [0, new Set()];
}

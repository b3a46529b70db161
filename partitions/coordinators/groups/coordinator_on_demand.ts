/**
 * The group coordinator of a shard that may have no groups. Its 60 modules and the library for regular expressions are loaded
 * when the shard gets its first partition of `__consumer_offsets`: they take 2.5 MB a shard and 25 ms, and many brokers never have a
 * group. (Without `lazy-dynamic-imports` in deno.json, Deno would read them at the start.) Until then this answers like a coordinator
 * without partitions. Runs on shards. The shard's worker loads the modules, because nothing else of a shard may await.
 *
 *   prepare(change) ── brings no partition, or is loaded ──────────────► calls back at once
 *          └── brings the first ──► isWanted ── worker loads ──► use() ──► calls back, also for changes that came meanwhile
 */
import { errorCode } from "../../../net/protocol/error_codes.ts";
import type { TopicChange } from "../../owned/topic_changes.ts";
import { OFFSETS_TOPIC } from "../key_partition.ts";
import type { Coordinator, CoordinatorClient, Reply } from "../runtime/coordinator.ts";
import type { GroupApiKey, GroupApis, GroupRequest, GroupResponse } from "./group_apis.ts";
import type { GroupCoordinatorParts } from "./group_coordinator.ts";
import type { GroupsToSurvey, SurveyedGroups } from "../../requests/surveyed_groups.ts";
import { refusalOf, refuseGroupRequest } from "./group_refusals.ts";

/** The module that is loaded. */
export interface GroupCoordinatorModule {
  readonly GroupCoordinator: new (parts: GroupCoordinatorParts) => Coordinator<GroupApis> & GroupsToSurvey;
}

/** The coordinator, loaded or not. */
export class GroupCoordinatorOnDemand implements Coordinator<GroupApis>, GroupsToSurvey {
  readonly #parts: GroupCoordinatorParts;
  #coordinator: (Coordinator<GroupApis> & GroupsToSurvey) | null = null;
  /** Callbacks that wait for the coordinator, in the order of their changes. */
  readonly #waiting: (() => void)[] = [];

  /** @param parts what the coordinator is built from */
  constructor(parts: GroupCoordinatorParts) {
    this.#parts = parts;
  }

  /** Whether the coordinator has to be loaded now: changes of the image wait for it. */
  get isWanted(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Calls back once the coordinator that a change needs is loaded, at once or in `use()`.
   * @param applyChange passes the change to the coordinator
   */
  prepare({ changed }: TopicChange, applyChange: () => void): void {
    const needsCoordinator = changed.some(({ name, partitions }) =>
      name === OFFSETS_TOPIC && partitions.some(({ shard }) => shard === this.#parts.shard)
    );
    if (this.isWanted || (this.#coordinator === null && needsCoordinator)) this.#waiting.push(applyChange);
    else applyChange();
  }

  /** The coordinator is loaded. @param module group_coordinator.ts */
  use({ GroupCoordinator }: GroupCoordinatorModule): void {
    this.#coordinator = new GroupCoordinator(this.#parts);
    for (const applyChange of this.#waiting.splice(0)) applyChange();
  }

  handle<Key extends GroupApiKey>(
    apiKey: Key,
    request: GroupRequest<Key>,
    client: CoordinatorClient,
    reply: Reply<GroupResponse<Key>>,
  ): void {
    if (this.#coordinator !== null) return this.#coordinator.handle(apiKey, request, client, reply);
    // ListGroups finds no groups, which is not an error.
    const code = apiKey === 16 ? errorCode.NONE : refusalOf(apiKey, request) || errorCode.NOT_COORDINATOR;
    reply(refuseGroupRequest(apiKey, request, code, client.apiVersion));
  }

  *surveyGroups(into: SurveyedGroups): Generator<void, void> {
    if (this.#coordinator !== null) yield* this.#coordinator.surveyGroups(into);
  }

  onImage(change: TopicChange): void {
    this.#coordinator?.onImage(change);
  }

  get nextDeadlineMs(): number {
    return this.#coordinator?.nextDeadlineMs ?? Infinity;
  }

  runTurn(nowMs: number): void {
    this.#coordinator?.runTurn(nowMs);
  }

  get hasGathered(): boolean {
    return this.#coordinator?.hasGathered ?? false;
  }

  writeGathered(mayContinue: () => boolean): void {
    this.#coordinator?.writeGathered(mayContinue);
  }

  dispose(): void {
    this.#coordinator?.dispose();
  }
}

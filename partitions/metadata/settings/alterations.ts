/**
 * Executes requests that change configs, client quotas and credentials: plans what each of its subjects needs, and has it carried out. What
 * another broker has changed meanwhile is planned anew from the image as it is then. Main isolate; in the controller's turn.
 */
import type { Changes, ConfigChange } from "../changes/changes.ts";
import type { BrokerSettings } from "../configs/broker_settings.ts";
import { planAlterations } from "../configs/config_changes.ts";
import type { PackedAlterations } from "../configs/packed_alterations.ts";
import type { AlterationResult, ControlCalls } from "../control_calls.ts";
import { TIMED_OUT } from "../creation_answers.ts";
import type { MetadataImage } from "../image.ts";
import type { Packed } from "./packed_settings.ts";
import { planQuotas, quotaSubjects } from "./quota_changes.ts";
import { quotaKey } from "./quota_rows.ts";
import { planUsers, type UserAlteration, userSubjects } from "./user_changes.ts";

/** How often a request is planned at most: while it is carried out, other brokers may change what it was planned from. */
export const PLANS_MAX = 8;

/** What the requests use. */
export interface AlterationParts {
  readonly changes: Pick<Changes, "alter">;
  readonly image: MetadataImage;
}

/** Changes configs of topics, groups and brokers. @returns one result for each resource, in their order */
export async function alterConfigs(
  packed: PackedAlterations,
  parts: AlterationParts & { readonly brokerSettings: BrokerSettings },
): Promise<AlterationResult[]> {
  const { brokerSettings, image } = parts;
  // It loads the codecs of the protocol, which the main isolate needs for nothing else.
  const { unpackAlterations } = await import("../configs/packed_alterations.ts");
  return await alter(unpackAlterations(packed), {
    ...parts,
    ...packed,
    plan: (resources) =>
      planAlterations(resources, {
        broker: brokerSettings.config,
        storedConfigs: (owner) => brokerSettings.stored(owner),
        topic: (name) => image.topic(name),
        groupConfigs: (groupId) => image.groupConfigs(groupId),
        configuredGroupsCount: image.configuredGroupsCount,
      }),
  });
}

/** Changes client quotas. @returns one result for each entity */
export async function alterQuotas(
  packed: Packed,
  parts: AlterationParts,
): Promise<ControlCalls["alterClientQuotas"]["result"]> {
  const { unpackQuotas } = await import("./packed_settings.ts");
  const { entries, validateOnly } = unpackQuotas(packed);
  const subjects = quotaSubjects(entries);
  const { image } = parts;
  const results = await alter(subjects, {
    ...parts,
    validateOnly,
    plan: (some) =>
      planQuotas(some, {
        quotasOf: (entity) => image.quotasOf(quotaKey(entity)),
        count: image.clientQuotas.length,
        characters: image.quotaCharacters,
      }),
  });
  return results.map((result, index) => ({ ...result, entity: subjects[index]?.entity ?? [] }));
}

/** Changes credentials. @param alterations deletions first @returns one result for each user */
export async function alterUsers(
  alterations: readonly UserAlteration[],
  parts: AlterationParts,
): Promise<ControlCalls["alterUserScramCredentials"]["result"]> {
  const subjects = userSubjects(alterations);
  const { image } = parts;
  const results = await alter(subjects, {
    ...parts,
    validateOnly: false,
    plan: (some) => planUsers(some, image.scramUsers),
  });
  return results.map((result, index) => ({ ...result, user: subjects[index]?.name ?? "" }));
}

/** What is planned for one subject: its answer, and the change that it needs, null for none. */
interface Planned extends AlterationResult {
  readonly change: ConfigChange | null;
}

/** Plans subjects and has them carried out. @returns their results, in their order */
async function alter<Subject>(
  subjects: readonly Subject[],
  { changes, validateOnly, plan }: Pick<AlterationParts, "changes"> & {
    readonly validateOnly: boolean;
    readonly plan: (subjects: readonly Subject[]) => readonly Planned[];
  },
): Promise<AlterationResult[]> {
  const results = subjects.map((): AlterationResult => TIMED_OUT);
  let left = [...subjects.entries()];
  for (let round = 0; round < PLANS_MAX && left.length > 0; round++) {
    const planned = plan(left.map(([, subject]) => subject));
    const wanted = validateOnly ? [] : planned.flatMap(({ change }) => change ?? []);
    const outcomes = await changes.alter(wanted);
    left = left.filter(([at], index) => {
      const { change, ...result } = planned[index] as Planned;
      const outcome = change === null || validateOnly ? null : outcomes.get(change);
      if (outcome === undefined) return true;
      results[at] = { ...outcome ?? result };
      return false;
    });
  }
  return results;
}

/**
 * What a shard says of its groups when somebody asks for the metrics. Plain data that crosses isolates; it is made by code that is loaded
 * with the first group (coordinators/groups/group_survey.ts).
 */

/** Committed offsets of one shard that are named; all of them are counted. */
export const SURVEYED_OFFSETS_MAX = 10_000;
/** Groups with members of one shard that are named. */
export const SURVEYED_GROUPS_MAX = 2000;

/** The groups of one shard. */
export interface SurveyedGroups {
  /** How many there are, by type and state: "classic Stable". */
  readonly states: Record<string, number>;
  /** Groups with members, and how many. */
  readonly members: [groupId: string, count: number][];
  /** Committed offsets in columns. */
  readonly offsets: {
    readonly groups: string[];
    readonly topics: string[];
    readonly partitions: number[];
    readonly committed: number[];
  };
  /** Committed offsets, named or not. */
  offsetsCount: number;
}

/** Whoever has groups. */
export interface GroupsToSurvey {
  /** Adds its groups, in steps. */
  surveyGroups(into: SurveyedGroups): Generator<void, void>;
}

/** No groups. */
export function noGroups(): SurveyedGroups {
  return {
    states: {},
    members: [],
    offsets: { groups: [], topics: [], partitions: [], committed: [] },
    offsetsCount: 0,
  };
}

/** Scenarios of tools: FindCoordinator, ListGroups, DescribeGroups, DeleteGroups in all versions. */
import {
  deleteGroups,
  describeGroups,
  findCoordinator,
  leaveGroup,
  listGroups,
  offsetCommit,
  offsetFetch,
  versionsOf,
} from "./apis.ts";
import { joinAlone, joinTwo, stableAlone } from "./classic_steps.ts";
import { consumerAlone } from "./consumer_steps.ts";
import type { Client, Scenario } from "./session.ts";

/** First version of FindCoordinator with several keys (KIP-699). */
const KEYS_SINCE = 4;

const finds = versionsOf(findCoordinator).map((version): Scenario => ({
  name: `FindCoordinator v${version}`,
  async run(session) {
    const client = await session.client();
    const find = (keyType: number, ...keys: string[]) =>
      client.call(findCoordinator, version, {
        ...(version >= 1 ? { keyType } : {}),
        ...(version < KEYS_SINCE ? { key: keys[0]! } : { coordinatorKeys: keys }),
      });
    await find(0, "a");
    await find(0, "");
    if (version >= 1) await find(9, "a");
    if (version >= KEYS_SINCE) {
      await find(0, "a", "b", "", "a");
      await find(0);
      await find(9, "a", "b");
    }
  },
}));

/** One group of each kind and state, for filters. */
async function groupsOfAllStates(session: Parameters<Scenario["run"]>[0]): Promise<Client> {
  const client = await session.client("admin");
  await stableAlone(session, session.group("stable"));
  await joinAlone(session, session.group("completing"));
  const left = await stableAlone(session, session.group("empty"));
  await left.client.call(leaveGroup, 5, {
    groupId: session.group("empty"),
    members: [{ memberId: left.memberId }],
  });
  await client.call(offsetCommit, 9, {
    groupId: session.group("simple"),
    topics: [{ name: "diff-one", partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: "" }] }],
  });
  await consumerAlone(session, session.group("consumer"));
  return client;
}

const lists = versionsOf(listGroups).map((version): Scenario => ({
  name: `ListGroups v${version}`,
  async run(session) {
    const client = await groupsOfAllStates(session);
    await client.call(listGroups, version, {});
    if (version >= 4) {
      const filters = [["Stable"], ["stable", "EMPTY"], ["CompletingRebalance"], ["Dead"], ["bogus"], [""]];
      for (const statesFilter of filters) await client.call(listGroups, version, { statesFilter });
    }
    if (version >= 5) {
      const filters = [["classic"], ["CONSUMER"], ["Classic", "consumer"], ["share"], ["bogus"], [""]];
      for (const typesFilter of filters) await client.call(listGroups, version, { typesFilter });
      await client.call(listGroups, version, { statesFilter: ["Stable"], typesFilter: ["consumer"] });
    }
  },
}));

const describes = versionsOf(describeGroups).map((version): Scenario => ({
  name: `DescribeGroups v${version}`,
  async run(session) {
    const client = await groupsOfAllStates(session);
    await joinTwo(session, session.group("two"), [{ groupInstanceId: "one" }, {}]);
    const names = ["stable", "completing", "empty", "simple", "consumer", "none", "two"];
    for (const name of names) await client.call(describeGroups, version, { groups: [session.group(name)] });
    await client.call(describeGroups, version, { groups: names.map((name) => session.group(name)) });
    await client.call(describeGroups, version, { groups: [session.group("empty"), "", session.group("empty")] });
    await client.call(describeGroups, version, { groups: [] });
    if (version >= 3) {
      await client.call(describeGroups, version, {
        groups: ["stable", "none", "consumer"].map((name) => session.group(name)),
        includeAuthorizedOperations: true,
      });
    }
  },
}));

const deletes = versionsOf(deleteGroups).map((version): Scenario => ({
  name: `DeleteGroups v${version}`,
  async run(session) {
    const client = await groupsOfAllStates(session);
    const names = ["stable", "completing", "consumer", "none", "simple"].map((name) => session.group(name));
    await client.call(deleteGroups, version, { groupsNames: [...names, ""] });
    const empty = session.group("empty");
    await client.call(deleteGroups, version, { groupsNames: [empty, empty] });
    await client.call(deleteGroups, version, { groupsNames: [empty] });
    await client.call(deleteGroups, version, { groupsNames: [] });
    await client.call(listGroups, 5, {});
    await client.call(offsetFetch, 9, { groups: [{ groupId: session.group("simple"), topics: null }] });
  },
}));

/** Requests of tools. */
export const adminScenarios: readonly Scenario[] = [...finds, ...lists, ...describes, ...deletes];

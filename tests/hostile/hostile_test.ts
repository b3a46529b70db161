/**
 * Valid requests with harmful sizes: every repeated field of every API is stretched. They are sent alone, by many clients, in pipelines,
 * by clients that do not read and by clients that leave. The broker must live. Honest clients must get correct answers. Each request is
 * answered, or its connection is closed with a log line. Memory and turn times stay within their bounds (judgement.ts).
 *
 * On every commit each API is attacked once in each way. BARNABAS_HOSTILE names attacks to run, also others, and repeats a failure
 * (campaign.ts). BARNABAS_SLOW=1 runs all, with more connections and huge requests: that takes long, and a machine of its own.
 */
import { describeConfigsRequest } from "../../net/protocol/messages/32_describe_configs.ts";
import { describeConfigsApi } from "../../net/handlers/32_describe_configs.ts";
import type { Api } from "../../net/protocol/api.ts";
import { frameOf } from "../kafka_client.ts";
import { type HostileRequest, sendAndLeave, sendAndReadSlowly, sendFromMany, sendPipelined } from "./attacks.ts";
import {
  allStretches,
  attackName,
  type Campaign,
  campaign,
  requestOf,
  type Size,
  smallRequests,
  versionsOf,
} from "./campaign.ts";
import { failLogins } from "./failed_logins.ts";
import { waitInSessions } from "./fetch_sessions.ts";
import type { Random } from "../interop/random.ts";
import { isOfTags, nameOf, type Stretch } from "./stretched_frame.ts";

const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const isNamed = Deno.env.get("BARNABAS_HOSTILE") !== undefined;
const isQuick = !isSlow && !isNamed;
const MEGABYTE = 1_000_000;
/** Below `socket.request.max.bytes`. */
const HUGE_BYTES = 90 * MEGABYTE;
const CROWD = isSlow ? 300 : 30;
/** Chooses the attacks of every commit, which are always the same. */
const QUICK_SEED = 9;
/** Requests whose elements take much of a heap while they are served. */
const HEAVY = ["Metadata v13 topics absent", "Fetch v18 topics.partitions absent"];
const HEAVY_COUNT = 200;
/** What they may leave of garbage, with all else, on a new broker. V8 alone lets the heaps of two shards grow by over 240 MB. */
const HEAVY_BYTES_MAX = 192 * 1024 * 1024;

function hostile(name: string, body: (campaign: Campaign) => Promise<void>, { ignore = false } = {}): void {
  const how = isQuick ? { seed: QUICK_SEED, repeatsSlow: true } : {};
  Deno.test({ name: `hostile: ${name}`, ignore, fn: () => campaign(body, how) });
}

hostile("repeated fields of each API, stretched, from one connection", async ({ attack, random }) => {
  const large = (isSlow ? 8 : 1) * MEGABYTE;
  for (const stretch of isQuick ? chosen(random) : allStretches(versionsOf)) {
    const sizes: Size[] = isSlow || stretch.version === stretch.api.served[1] ? [large, "fitting"] : ["fitting"];
    for (const size of sizes) {
      await attack(attackName(stretch, { size, pattern: "one connection" }), async (field) => {
        await sendFromMany(field, await requestOf(stretch, field, size), 1);
      });
    }
  }
});

hostile("each repeated field of each API, stretched to 90 MB (BARNABAS_SLOW=1)", async ({ attack }) => {
  for (const stretch of allStretches(newest)) {
    await attack(attackName(stretch, { size: HUGE_BYTES, pattern: "one connection" }), async (field) => {
      await sendFromMany(field, await requestOf(stretch, field, HUGE_BYTES), 1);
    });
  }
}, { ignore: !isSlow });

hostile(`${CROWD} connections with the same stretched request`, async ({ attack, random }) => {
  for (const stretch of chosen(random)) {
    for (const size of isQuick ? ["fitting"] as const : [MEGABYTE, "fitting"] as const) {
      await attack(attackName(stretch, { size, pattern: `${CROWD} connections` }), async (field) => {
        await sendFromMany(field, await requestOf(stretch, field, size), CROWD);
      });
    }
  }
});

hostile(
  `${HEAVY_COUNT} requests with very many elements leave little garbage (BARNABAS_SLOW=1)`,
  async ({ attack }) => {
    for (const stretch of allStretches(newest).filter((stretch) => HEAVY.includes(nameOf(stretch)))) {
      const name = attackName(stretch, { size: "fitting", pattern: `${HEAVY_COUNT} connections, for their garbage` });
      await attack(name, async (field) => {
        await sendFromMany(field, await requestOf(stretch, field, "fitting"), HEAVY_COUNT);
      }, { extraBytesMax: HEAVY_BYTES_MAX });
    }
  },
  { ignore: !isSlow },
);

hostile("pipelines of small requests", async ({ attack }) => {
  for (const connections of [4, 30]) {
    await attack(
      `Fetch v7, 127 waiting fetches of a session of 2,000 partitions, ${connections} connections`,
      (field) => waitInSessions(field, connections),
    );
  }
  await attack("DescribeConfigs v1, 22 KB, 260 connections", async (field) => {
    await sendFromMany(field, describesOne(2800), 260);
  });
  for (const stretch of smallRequests()) {
    await attack(attackName(stretch, { size: 0, pattern: "127 in a pipeline, 4 connections" }), async (field) => {
      await sendPipelined(field, await requestOf(stretch, field, 0), { connections: 4, requests: 127 });
    });
  }
});

hostile("logins that fail", async ({ attack }) => {
  for (const [connections, logins] of [[4, 100], [60, 20]] as const) {
    await attack(`${connections} connections at a time, ${logins} failed logins each`, async (field) => {
      await failLogins(field, { connections, logins });
    });
  }
});

hostile("clients that read little or nothing", async ({ attack, random }) => {
  const connections = isSlow ? 100 : 20;
  for (const stretch of chosen(random)) {
    for (const bytes of isQuick ? [random.pick([0, 100])] : [0, 100]) {
      const pattern = `${connections} connections that read ${bytes} bytes at a time`;
      await attack(attackName(stretch, { size: "fitting", pattern }), async (field) => {
        const request = await requestOf(stretch, field, "fitting");
        await sendAndReadSlowly(field, request, { connections, rounds: 5, bytes });
      });
    }
  }
  await attack("DescribeConfigs v1, 22 KB, 260 connections that do not read", async (field) => {
    await sendAndReadSlowly(field, describesOne(2800), { connections: 260, rounds: 40, bytes: 0 });
  });
});

hostile("clients that leave in the middle of a request, and before its answer", async ({ attack, random }) => {
  for (const stretch of chosen(random)) {
    for (const share of isQuick ? [random.pick([0.6, 1])] : [0.6, 1]) {
      const pattern = `20 connections that leave after ${share * 100} % of it`;
      await attack(attackName(stretch, { size: "fitting", pattern }), async (field) => {
        await sendAndLeave(field, await requestOf(stretch, field, "fitting"), { connections: 20, share });
      });
    }
  }
});

function newest({ served }: Api): number[] {
  return [served[1]];
}

/**
 * A stretch of each API, chosen by the seed; all of them when BARNABAS_HOSTILE names some. On every commit one of an array, where the API
 * has any, because tagged fields cost little.
 */
function chosen(random: Random): Stretch[] {
  const all = allStretches(newest);
  if (isNamed) return all;
  return smallRequests().flatMap(({ api }) => {
    const ofApi = all.filter((stretch) => stretch.api === api);
    if (ofApi.length === 0) return []; // Nothing in it can repeat.
    const arrays = ofApi.filter((stretch) => !isOfTags(stretch));
    return random.pick(isQuick && arrays.length > 0 ? arrays : ofApi);
  });
}

/** Asks for all settings of topic "t", again and again. */
function describesOne(times: number): HostileRequest {
  const resources = Array.from({ length: times }, () => ({
    resourceType: 2,
    resourceName: "t",
    configurationKeys: null,
  }));
  const version = 1;
  const frame = frameOf(describeConfigsRequest, { apiVersion: version, correlationId: 1 }, { resources });
  return { api: describeConfigsApi, version, frame };
}

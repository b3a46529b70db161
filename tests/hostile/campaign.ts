/** The list of what is attacked, the parts that a run carries out, and the report of what did not hold. Test code. */
import assert from "node:assert/strict";
import { apis } from "../../net/handlers/mod.ts";
import type { Api } from "../../net/protocol/api.ts";
import { chooseSeed, Random } from "../interop/random.ts";
import type { HostileRequest } from "./attacks.ts";
import { membershipFor, prepareVictim } from "./preparations.ts";
import { type Field, Siege } from "./siege.ts";
import { type FrameContext, nameOf, type Stretch, stretchedFrame, stretchesOf } from "./stretched_frame.ts";

/** What a run has at hand. */
export interface Campaign {
  readonly random: Random;
  /** Carries an attack out, unless `BARNABAS_HOSTILE` names others. */
  attack(name: string, attack: (field: Field<FrameContext>) => Promise<void>): Promise<void>;
}

/**
 * Carries out a campaign against a broker.
 *
 * `BARNABAS_SEED` replays its choices, `BARNABAS_HOSTILE` (a regular expression) limits it to some attacks, and
 * `BARNABAS_HOSTILE_REPORT` names a file that gets the figures of each.
 * @throws AssertionError that names every attack that the broker did not stand
 */
export async function campaign(body: (campaign: Campaign) => Promise<void>): Promise<void> {
  const random = new Random(chooseSeed());
  const wanted = new RegExp(Deno.env.get("BARNABAS_HOSTILE") ?? "");
  const report = Deno.env.get("BARNABAS_HOSTILE_REPORT");
  const failures: string[] = [];
  await using siege = new Siege(prepareVictim);
  const attack: Campaign["attack"] = async (name, attack) => {
    if (!wanted.test(name)) return;
    const { complaints, figures } = await siege.attack(attack);
    if (complaints.length > 0) failures.push(`${name} (seed ${random.seed}): ${complaints.join("; ")}`);
    if (report === undefined) return;
    const lines = [
      `${complaints.length > 0 ? "BAD" : "ok "} ${name}: ${figures}`,
      ...complaints.map((c) => `      ${c}`),
    ];
    await Deno.writeTextFile(report, `${lines.join("\n")}\n`, { append: true });
  };
  await body({ random, attack });
  assert.equal(failures.length, 0, `${failures.length} attacks did what none may:\n${failures.join("\n")}`);
}

/** Oldest, middle and newest version of an API. */
export function versionsOf({ served: [oldest, newest] }: Api): number[] {
  return [...new Set([oldest, Math.floor((oldest + newest) / 2), newest])];
}

/** Every stretch of every API in these versions. What removes what others need comes last. */
export function allStretches(versions: (api: Api) => readonly number[]): Stretch[] {
  const all = apis.flatMap((api) => versions(api).flatMap((version) => stretchesOf(api, version)));
  return [...all.filter((stretch) => !removes(stretch)), ...all.filter(removes)];
}

function removes({ api, elements }: Stretch): boolean {
  return ["DeleteTopics", "DeleteGroups"].includes(api.name) && elements !== "absent";
}

/** A smallest valid request of each API, in its newest version. */
export function smallRequests(): Stretch[] {
  return apis.map((api) => {
    const [first] = allStretches((other) => other === api ? [api.served[1]] : []);
    return { ...first!, elements: "absent" };
  });
}

/**
 * How far a request is stretched: to so many bytes, or to as many elements as the broker takes from one, in a megabyte or two. The first
 * shows that it refuses what is too much, the second what the most of what it does not refuse costs.
 */
export type Size = number | "fitting";

const FITTING_BYTES_MAX = 2_000_000;

/** Builds the request of a stretch, with a membership where it needs one. */
export async function requestOf(stretch: Stretch, field: Field<FrameContext>, size: Size): Promise<HostileRequest> {
  const context = { ...field.context, values: await membershipFor(stretch, field.victim) };
  const frame = size === "fitting"
    ? stretchedFrame(stretch, { bytes: FITTING_BYTES_MAX, elementsMax: stretch.api.elementsMax, context })
    : stretchedFrame(stretch, { bytes: size, context });
  return { api: stretch.api, version: stretch.version, frame };
}

/** As `nameOf()`, with the size of the frame and the pattern. */
export function attackName(stretch: Stretch, { size, pattern }: { size: Size; pattern: string }): string {
  return `${nameOf(stretch)}, ${size === "fitting" ? size : `${size / 1e6} MB`}, ${pattern}`;
}

/** Runs the attacks of a campaign and reports those that the broker did not withstand. Test code. */
import assert from "node:assert/strict";
import { apis } from "../../net/handlers/mod.ts";
import type { Api } from "../../net/protocol/api.ts";
import { chooseSeed, Random } from "../interop/random.ts";
import type { HostileRequest } from "./attacks.ts";
import { membershipFor, prepareVictim } from "./preparations.ts";
import { type Field, Siege } from "./siege.ts";
import { type FrameContext, nameOf, type Stretch, stretchedFrame, stretchesOf } from "./stretched_frame.ts";

/** What a campaign may use. */
export interface Campaign {
  readonly random: Random;
  /**
   * Runs an attack, unless `BARNABAS_HOSTILE` selects others.
   * @param how extraBytesMax: less memory than the broker promises; turn times are then not judged
   */
  attack(
    name: string,
    attack: (field: Field<FrameContext>) => Promise<void>,
    how?: { readonly extraBytesMax: number },
  ): Promise<void>;
}

/**
 * Runs a campaign against a broker.
 *
 * `BARNABAS_SEED` replays its choices, `BARNABAS_HOSTILE` (a regular expression) limits it to some attacks, and
 * `BARNABAS_HOSTILE_REPORT` names a file for the figures of each.
 * @param how seed: of its choices; by default that of chooseSeed(). repeatsSlow: an attack with long turns is repeated, and reported if it
 * has them again; likewise one with too much memory, on a new broker: beside other tests, V8's threads get no time to collect what earlier
 * attacks left, which slow campaigns judge. Other programs can delay a turn in ways that the meter does not see, such as a busy disk.
 * @throws AssertionError that names every attack that the broker did not withstand
 */
export async function campaign(
  body: (campaign: Campaign) => Promise<void>,
  { seed = chooseSeed(), repeatsSlow = false }: { seed?: number; repeatsSlow?: boolean } = {},
): Promise<void> {
  const random = new Random(seed);
  const wanted = new RegExp(Deno.env.get("BARNABAS_HOSTILE") ?? "");
  const report = Deno.env.get("BARNABAS_HOSTILE_REPORT");
  const failures: string[] = [];
  await using siege = new Siege(prepareVictim);
  const attack: Campaign["attack"] = async (name, attack, how) => {
    if (!wanted.test(name)) return;
    let verdict = await siege.attack(attack, how?.extraBytesMax);
    const isAgain = verdict.isOnlySlow || verdict.isOnlyLarge;
    if (isAgain && how === undefined && repeatsSlow) verdict = await siege.attack(attack);
    const { figures } = verdict;
    const complaints = verdict.isOnlySlow && how !== undefined ? [] : verdict.complaints;
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

/** Every stretch of every API in these versions. APIs that remove what others need come last. */
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
    const version = api.served[1];
    // A request in which nothing can repeat is sent as it is.
    const [first = { api, version, target: [] }] = allStretches((other) => other === api ? [version] : []);
    return { ...first, elements: "absent" };
  });
}

/**
 * How far a request is stretched: to a number of bytes, or "fitting", to the most elements that the broker takes, in a megabyte or two.
 * The first shows that it refuses too much, the second what the largest request costs that it does not refuse.
 */
export type Size = number | "fitting";

const FITTING_BYTES_MAX = 2_000_000;

/** Builds the request of a stretch, and a membership if it needs one. */
export async function requestOf(stretch: Stretch, field: Field<FrameContext>, size: Size): Promise<HostileRequest> {
  const context = { ...field.context, values: await membershipFor(stretch, field.victim) };
  const frame = size === "fitting"
    ? stretchedFrame(stretch, { bytes: FITTING_BYTES_MAX, elementsMax: stretch.api.elementsMax, context })
    : stretchedFrame(stretch, { bytes: size, context });
  return { api: stretch.api, version: stretch.version, frame };
}

/** The text of `nameOf()`, the size of the frame and the pattern. */
export function attackName(stretch: Stretch, { size, pattern }: { size: Size; pattern: string }): string {
  return `${nameOf(stretch)}, ${size === "fitting" ? size : `${size / 1e6} MB`}, ${pattern}`;
}

/**
 * Reads the command line and its server.properties again, for a broker that runs (SIGHUP), and says what came of it. Pure, except for the
 * file reader that it is given; the main isolate runs it.
 */
import type { ReloadedSettings } from "../../metadata/configs/broker_settings.ts";
import type { BrokerConfig } from "../broker/broker_config.ts";
import { parseCommandLine } from "./command_line.ts";

/** What a broker did with other settings. */
export type ReloadOutcome = ReloadedSettings | { readonly refused: string };

/** The settings of a broker that would be started now, or why it would not start. @param args of the running one */
export function settingsNow(
  args: readonly string[],
  readText: (path: string) => string,
): { readonly config: BrokerConfig } | { readonly refused: string } {
  const plan = parseCommandLine(args, readText);
  if (plan.kind === "run") return { config: plan.config };
  return { refused: plan.kind === "refused" ? plan.message : `the command line asks for ${plan.kind}` };
}

/** One sentence for the operator. */
export function reloadSentence(outcome: ReloadOutcome): string {
  if ("refused" in outcome) return `SIGHUP: the settings stay as they are: ${outcome.refused}`;
  const { changed, needRestart } = outcome;
  const parts = [
    ...changed.length > 0 ? [`changed: ${changed.join(", ")}`] : [],
    ...needRestart.length > 0 ? [`these need a restart: ${needRestart.join(", ")}`] : [],
  ];
  return `SIGHUP: ${parts.length === 0 ? "no setting is another one" : parts.join("; ")}`;
}

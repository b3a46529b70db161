/**
 * Keeps passwords out of texts: checks that refuse one do not repeat it, and what is kept of the properties has a word in its place. Pure;
 * any isolate.
 *
 * Source: org.apache.kafka.common.config.types.Password, whose text is "[hidden]".
 */
import type { ConfigDefinition } from "../config_definitions.ts";
import { type ConfigCheck, invalid } from "../config_values.ts";
import { nearestName } from "../nearest_name.ts";

/** What stands for a password. */
const HIDDEN = "[hidden]";

/** Names that were meant to be a password's. */
const SECRET_NAME = /secr|passw/i;

/** Accepts a text of a form. @param hint what to write instead */
export function textOf(form: RegExp, hint: string): ConfigCheck {
  return ({ name, text }) => form.test(text) ? null : invalid(name, text, hint);
}

/** Accepts a password of some length. The refusal does not have the password. */
export function passwordOf({ min, max }: { min: number; max: number }): ConfigCheck {
  return ({ name, text }) =>
    text.length >= min && text.length <= max ? null : invalid(name, HIDDEN, `It needs ${min} to ${max} characters`);
}

type Definitions = ReadonlyMap<string, ConfigDefinition>;

/** The properties with a word in place of each password. */
export function withoutPasswords(
  properties: Readonly<Record<string, string>>,
  definitions: Definitions,
): Record<string, string> {
  const shown = { ...properties };
  for (const name of Object.keys(shown)) if (definitions.get(name)?.type === "PASSWORD") shown[name] = HIDDEN;
  return shown;
}

/** A setting as it was written on the command line, "name=value" or a mistyped form of it, for a message. */
export function shownSetting(written: string, definitions: Definitions): string {
  const [name = ""] = /^[\w.-]*/.exec(written) ?? [];
  const nearest = nearestName(name, definitions.keys());
  const isSecret = SECRET_NAME.test(name) || (nearest !== null && definitions.get(nearest)?.type === "PASSWORD");
  return isSecret ? `${name}=${HIDDEN}` : written;
}

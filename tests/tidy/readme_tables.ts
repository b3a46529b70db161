/**
 * Generates the tables of README.md from the source. `deno task generate` writes them, and a test compares them. Test code.
 */
import { apis } from "../../net/handlers/mod.ts";
import { brokerDefinitions } from "../../partitions/config/broker/broker_definitions.ts";
import { groupDefinitions } from "../../partitions/config/groups/group_definitions.ts";
import { topicDefinitions } from "../../partitions/config/topics/topic_definitions.ts";
import { matrixTable } from "../interop/matrix/matrix.ts";
import { readText } from "./repository.ts";

/** Defaults that are shown in words, like Long.MAX_VALUE. */
const SHOWN_DEFAULTS: ReadonlyMap<string | null, string> = new Map([
  [null, "not set"],
  ["9223372036854775807", "no limit"],
  ["2147483647", "no limit"],
  ["1.7976931348623157E308", "no limit"],
]);

/** The tables by name. */
const tables: ReadonlyMap<string, () => string> = new Map([
  ["broker settings", brokerTable],
  ["topic settings", topicTable],
  ["group settings", groupTable],
  ["requests", requestsTable],
  ["clients", matrixTable],
]);

const TABLE = /(<!-- table: ([\w ]+) -->\n<!-- deno-fmt-ignore-start -->\n)[^]*?(<!-- deno-fmt-ignore-end -->)/g;

/** README.md with every table as the source has it. */
export function readmeWithTables(text: string): string {
  return text.replace(TABLE, (whole, start: string, name: string, end: string) => {
    const table = tables.get(name);
    return table === undefined ? whole : `${start}\n${table()}\n\n${end}`;
  });
}

/** Names of the tables that a text has. */
export function tablesIn(text: string): string[] {
  return [...text.matchAll(TABLE)].map((match) => match[2] as string);
}

/** Names of all tables. */
export const tableNames: readonly string[] = [...tables.keys()];

function brokerTable(): string {
  const inherited = new Set([...topicDefinitions.values()].flatMap(({ synonyms }) => synonyms.map(({ name }) => name)));
  const own = [...brokerDefinitions.values()].filter(({ name }) => !inherited.has(name));
  const rows = own.sort((a, b) => a.name < b.name ? -1 : 1).map(
    ({ name, defaultText, effect, documentation, update }) => {
      const dynamic = update === "cluster-wide" ? "*Dynamic.* " : "";
      return `| \`${name}\` | ${shown(defaultText)} | ${dynamic}${sentence(effect, documentation)} |`;
    },
  );
  return ["| setting | default | what it says |", "| --- | --- | --- |", ...rows].join("\n");
}

function groupTable(): string {
  const rows = [...groupDefinitions.values()].map(({ name, defaultText, effect, documentation, synonyms }) => {
    const brokers = synonyms.map((synonym) => `\`${synonym.name}\``).join(", ");
    return `| \`${name}\` | ${shown(defaultText)} | ${sentence(effect, documentation)} | ${brokers} |`;
  });
  return [
    "| of a group | default | what it says | of the broker, for all groups |",
    "| --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

function topicTable(): string {
  const rows = [...topicDefinitions.values()].filter(({ name }) => !name.startsWith("internal.")).map((topic) => {
    const brokers = topic.synonyms.map(({ name }) => `\`${name}\``).join(", ");
    return `| \`${topic.name}\` | ${shown(topic.defaultText)} | ${
      sentence(topic.effect, topic.documentation)
    } | ${brokers} |`;
  });
  return [
    "| of a topic | default | what it says | of the broker, for all topics |",
    "| --- | --- | --- | --- |",
    ...rows,
  ]
    .join("\n");
}

function requestsTable(): string {
  const forClients = apis.filter(({ advertised }) => advertised !== null);
  const rows = forClients.map(({ key, name, served: [min, max] }) => `| ${key} | ${name} | ${min} to ${max} |`);
  return ["| key | request | versions |", "| ---: | --- | --- |", ...rows].join("\n");
}

function shown(defaultText: string | null): string {
  if (defaultText === "") return "empty";
  return SHOWN_DEFAULTS.get(defaultText) ?? `\`${defaultText?.replaceAll(",", ", ")}\``;
}

function sentence(effect: "now" | "later", documentation: string): string {
  return effect === "later" ? `*Later.* ${documentation}` : documentation;
}

if (import.meta.main) {
  const written = readmeWithTables(readText("README.md"));
  await Deno.writeTextFile(new URL("../../README.md", import.meta.url), written);
}

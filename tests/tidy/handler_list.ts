/**
 * Generates net/handlers/mod.ts, the list of the APIs that the files of its folder declare. `deno task generate` writes it, and a test
 * compares it. Test code.
 */
import { sources } from "./repository.ts";

const FOLDER = "net/handlers/";

/** The text of the list. @param names of the handler files, without the folder */
export function handlerList(names = handlerFiles()): string {
  const rows = names.map((name) => ({ name, row: rowName(name) }));
  return `/**
 * Every API that this broker answers, by ascending key. Written by \`deno task generate\` from the files of this folder; each
 * declares its API. Runs on shards.
 */
import type { ServedApi } from "../requests/api.ts";
${rows.map(({ name, row }) => `import { ${row} } from "./${name}";\n`).join("")}
/** The APIs. */
export const apis: readonly ServedApi[] = [
${rows.map(({ row }) => `  ${row},\n`).join("")}];
`;
}

/** 02_list_offsets.ts declares listOffsetsApi. */
function rowName(name: string): string {
  const words = name.replace(/^\d+_|\.ts$/g, "");
  return `${words.replace(/_(\w)/g, (_, first: string) => first.toUpperCase())}Api`;
}

function handlerFiles(): string[] {
  const names = sources.filter(({ path }) => path.startsWith(FOLDER)).map(({ path }) => path.slice(FOLDER.length));
  return names.filter((name) => /^\d+_\w+\.ts$/.test(name) && !name.endsWith("_test.ts"))
    .sort((a, b) => parseInt(a) - parseInt(b));
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("../../net/handlers/mod.ts", import.meta.url), handlerList());
}

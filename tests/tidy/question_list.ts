/**
 * Generates partitions/questions/questions.ts, the list of the questions that the files of its folder declare. `deno task generate`
 * writes it, and a test compares it. Test code.
 */
import { sources } from "./repository.ts";

const FOLDER = "partitions/questions/";
/** Files of the folder that declare no question. */
const OTHERS = ["layout.ts", "question.ts", "questions.ts"];

/** The text of the list. @param names of the question files, without the folder */
export function questionList(names = questionFiles()): string {
  const questions = names.map((name) => ({ name, question: questionName(name) }));
  return `/**
 * Every question. Its index in this list is the number that travels in ring records. Written by \`deno task generate\` from the files of
 * this folder; each declares its question. Plain data; shards.
 */
${
    questions.map(({ name, question }) => `import { ${question} } from "./${name}";\n`).join("")
  }import type { AnyQuestion } from "./question.ts";

/** The list. */
export const questions: readonly AnyQuestion[] = [
${questions.map(({ question }) => `  ${question},\n`).join("")}];
`;
}

/** list_offsets.ts declares listOffsets. */
function questionName(name: string): string {
  return name.replace(/\.ts$/, "").replace(/_(\w)/g, (_, first: string) => first.toUpperCase());
}

function questionFiles(): string[] {
  const names = sources.filter(({ path }) => path.startsWith(FOLDER)).map(({ path }) => path.slice(FOLDER.length));
  return names.filter((name) => !name.endsWith("_test.ts") && !OTHERS.includes(name)).sort();
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL(`../../${FOLDER}questions.ts`, import.meta.url), questionList());
}

/**
 * Plays calls of Apache Kafka's command-line tools against a broker, and compares what they print with the recording of Apache Kafka 4.3.1
 * in tests/golden/tools. Main isolate of a test.
 *
 * A session is a fresh broker and the calls made to it, in their order. Its recording is written by
 *
 *    BARNABAS_INTEROP_PEER=apache-kafka BARNABAS_RECORD=1 BARNABAS_SESSION=NAME deno test -A tests/interop/tools_recorded_test.ts
 */
import { startTestBroker, temporaryDirectory, type TestBroker } from "../broker.ts";
import type { KafkaTools } from "../kafka_tools.ts";
import { assertSameLines } from "../lines.ts";

/** One call of a tool. In its words, SERVER is the broker's address, DIR its log directory, and FILE(name) a file of the session. */
export interface ToolCall {
  /** Below org.apache.kafka.tools ("TopicCommand"), or in full. */
  readonly tool: string;
  readonly words: readonly string[];
  /** True for what Kafka prints in the order of a hash map: the lines are compared in alphabetical order. */
  readonly unordered?: boolean;
}

/** Calls to one fresh broker. */
export interface ToolSession {
  /** Names the recording, too. */
  readonly name: string;
  /** Settings of the broker, beside its defaults. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Brings the broker into the state that the calls expect, before the first of them. */
  readonly prepare?: (broker: TestBroker) => Promise<void>;
  /** Files that calls name, with their contents. */
  readonly files?: Readonly<Record<string, string>>;
  readonly calls: readonly ToolCall[];
  /** Lines that Kafka prints of what this broker does not have. */
  readonly omitted?: RegExp;
  /** Replaces what differs from run to run, in addition to ports and directories; each is applied to a line, with single spaces. */
  readonly normal?: readonly (readonly [pattern: RegExp, text: string])[];
}

/** A call of a tool that wants the address first. */
export function call(tool: string, ...words: readonly string[]): ToolCall {
  return { tool, words: ["--bootstrap-server", "SERVER", ...words] };
}

/** The same, where Kafka prints in no order. */
export function unorderedCall(tool: string, ...words: readonly string[]): ToolCall {
  return { ...call(tool, ...words), unordered: true };
}

/**
 * Plays a session and compares it with its recording, or records it.
 * @param tools a JVM for tools, which several sessions share
 * @throws AssertionError that shows the first line that differs
 */
export async function playSession(session: ToolSession, tools: KafkaTools): Promise<void> {
  using directory = temporaryDirectory();
  await using broker = await startTestBroker({ dataDir: directory.path, overrides: session.properties });
  await session.prepare?.(broker);
  const places = { address: broker.bootstrapServers, dataDir: broker.dataDir, files: `${directory.path}-` };
  for (const [name, text] of Object.entries(session.files ?? {})) await Deno.writeTextFile(places.files + name, text);
  const printed: string[] = [];
  for (const { tool, words, unordered } of session.calls) {
    const { code, lines } = await tools.run(tool, words.map((word) => placed(word, places)));
    const normal = lines.flatMap((line) => normalize(line, { broker, session, files: places.files }));
    printed.push(`$ ${[tool, ...words].join(" ")}`, ...(unordered ? normal.sort() : normal), `exit ${code}`, "");
  }
  const golden = new URL(`../../golden/tools/${session.name}.txt`, import.meta.url);
  const text = `${printed.join("\n")}\n`;
  if (Deno.env.get("BARNABAS_RECORD") === "1") await Deno.writeTextFile(golden, text);
  assertSameLines(text, (await Deno.readTextFile(golden)).replace(/\n$/, "").split("\n"));
}

/** Tools read only letters of ASCII, and no tabs (clients/java/Tools.java). */
function placed(
  word: string,
  { address, dataDir, files }: { address: string; dataDir: string; files: string },
): string {
  return word.replaceAll("SERVER", address).replaceAll("DIR", dataDir)
    .replace(/FILE\(([^)]*)\)/g, (_, name) => files + name);
}

/** A printed line without what differs from run to run: ports, directories, widths of columns; none for a stack trace's. */
function normalize(
  line: string,
  { broker, session, files }: { broker: TestBroker; session: ToolSession; files: string },
): string[] {
  if (line.trim() === "" || /^\s+at |^\s*\.\.\. \d+ more|^SLF4J/.test(line)) return [];
  let normal = line.replaceAll(files, "").replaceAll(broker.dataDir, "DIR").replaceAll(String(broker.port), "PORT")
    .replace(/\s+/g, " ").trim();
  if (session.omitted?.test(normal)) return [];
  for (const [pattern, text] of session.normal ?? []) normal = normal.replace(pattern, text);
  return [normal];
}

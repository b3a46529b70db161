// deno-lint-ignore-file no-console -- the program's own words
/**
 * Records golden frames: sends requests to Apache Kafka with Kafka's own message classes and adds the frames of request and response, with
 * the JSON that Kafka's converters make of them, to tests/golden/protocol_frames.jsonl. Main isolate.
 *
 *    deno run -A tests/interop/golden/record.ts 'DescribeLogDirs 1-4 {"topics":null}' …
 *
 * Each argument names an API, its versions and the body as Kafka's JSON converter reads it: all fields of each version; a field that a
 * version does not have may only have its default. The frames replace those of these versions that the recorder wrote before.
 *
 * The broker has been through the compared cases (admin/cases.ts): it has topics, records and producers. `--port 9092` asks a broker
 * that runs already, which may have groups with members. The port of its controller's listener answers what brokers send to controllers.
 */
import { parseArgs } from "node:util";
import { startApacheKafka } from "../../../bench/peer/apache_kafka.ts";
import { kafkaJars } from "../../../bench/peer/install.ts";
import { playAdminCases } from "../admin/play.ts";
import { temporaryDirectory } from "../broker.ts";

const GOLDEN = new URL("../../golden/protocol_frames.jsonl", import.meta.url);
const PROGRAM = new URL("Frames.java", import.meta.url).pathname;
/** Client id of the recorder's frames; those of real clients have others. */
const CLIENT_ID = "golden";

interface Frame {
  readonly kind: "request" | "response";
  readonly api: string;
  readonly version: number;
  readonly clientId?: string;
}

/** The requests of an argument, one per version, as Frames.java reads them. */
function requestsOf(argument: string): string[] {
  const [, api, first, last = first, body] = /^(\w+) (\d+)(?:-(\d+))? (\{.*\})$/s.exec(argument) ?? [];
  if (api === undefined || body === undefined) {
    throw new Error(`Cannot read ${argument}: name, versions and body expected`);
  }
  const [min, max] = [Number(first), Number(last)];
  return Array.from(
    { length: max - min + 1 },
    (_, index) => JSON.stringify({ api, version: min + index, body: JSON.parse(body) }),
  );
}

/** Sends requests. @returns two lines for each: the frames of request and response */
async function record(port: number, requests: readonly string[]): Promise<string[]> {
  const java = new Deno.Command("java", {
    args: ["-Dlog4j2.level=OFF", "-cp", `${kafkaJars()}/*`, PROGRAM, "127.0.0.1", String(port)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = java.stdin.getWriter();
  await input.write(new TextEncoder().encode(requests.map((request) => `${request}\n`).join("")));
  await input.close();
  const { code, stdout, stderr } = await java.output();
  if (code !== 0) throw new Error(`Cannot record:\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim().split("\n");
}

/** Adds frames in the place of those of the same versions that the recorder wrote before. */
async function keep(recorded: readonly string[]): Promise<void> {
  const lines = (await Deno.readTextFile(GOLDEN)).trim().split("\n");
  const isNew = new Set(recorded.map((line) => versionOf(JSON.parse(line))));
  const kept = lines.filter((line, index) => {
    const frame = JSON.parse(line) as Frame;
    // A response follows its request.
    const request = frame.kind === "request" ? frame : JSON.parse(lines[index - 1] ?? "{}") as Frame;
    return request.clientId !== CLIENT_ID || !isNew.has(versionOf(frame));
  });
  await Deno.writeTextFile(GOLDEN, [...kept, ...recorded].map((line) => `${line}\n`).join(""));
}

function versionOf({ api, version }: Frame): string {
  return `${api} v${version}`;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ options: { port: { type: "string" } }, allowPositionals: true });
  const requests = positionals.flatMap(requestsOf);
  if (requests.length === 0) throw new Error("Cannot record nothing: name a request, as the header says");
  using directory = temporaryDirectory();
  await using stack = new AsyncDisposableStack();
  let port = Number(values.port);
  if (values.port === undefined) {
    ({ port } = stack.use(await startApacheKafka({ directory: directory.path, properties: {} })));
    await playAdminCases(port);
  }
  await keep(await record(port, requests));
  console.log(`${requests.length} requests and their answers written to ${GOLDEN.pathname}`);
}

/**
 * Command-line tools of Apache Kafka in one JVM that keeps running: a call takes a tenth of the time of a start. Main isolate of a test.
 */
import assert from "node:assert/strict";
import { toolClass } from "../../bench/peer/apache_kafka.ts";
import { smallJvm } from "./toolchain.ts";
import { TextLineStream } from "./lines.ts";

/** What a tool printed. */
export interface ToolOutput {
  readonly code: number;
  readonly lines: readonly string[];
}

/** The JVM; disposal ends it. */
export class KafkaTools implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;

  constructor() {
    this.#process = new Deno.Command("java", {
      // Log4j of the jars would warn that it has no configuration.
      args: smallJvm("-Dlog4j2.level=OFF", "-Duser.timezone=UTC", "Tools"),
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
      .getReader();
  }

  /**
   * Runs one tool.
   * @param name of its class below org.apache.kafka.tools ("TopicCommand"), or in full
   */
  async run(name: string, args: readonly string[]): Promise<ToolOutput> {
    await this.#input.write(new TextEncoder().encode(`${[toolClass(name), ...args].join("\t")}\n`));
    const lines: string[] = [];
    while (true) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`Cannot run ${name}: the JVM has ended:\n${lines.join("\n")}`);
      const end = /^exit (\d+)$/.exec(value);
      if (end !== null) return { code: Number(end[1]), lines };
      lines.push(value);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#output.cancel();
    await this.#process.status;
  }
}

/**
 * Gives lines to a Java program of clients/java, and waits for its end.
 * @param stderr where its errors go @returns the lines that it printed
 */
export async function answersOf(
  program: string,
  lines: readonly string[],
  stderr: "inherit" | "null",
): Promise<string[]> {
  const process = new Deno.Command("java", {
    args: smallJvm(program),
    stdin: "piped",
    stdout: "piped",
    stderr,
  }).spawn();
  const output = new Response(process.stdout).text();
  const input = process.stdin.getWriter();
  await input.write(new TextEncoder().encode(lines.join("")));
  await input.close();
  assert.equal((await process.status).code, 0);
  return (await output).split("\n").slice(0, -1);
}

import assert from "node:assert/strict";
import { metadataRequest, metadataResponse } from "./net/protocol/messages/03_metadata.ts";
import { produceRequest, produceResponse } from "./net/protocol/messages/00_produce.ts";
import { KafkaClient } from "./tests/kafka_client.ts";
import { buildBatch } from "./tests/record_batch_builder.ts";

const program = new URL("./main.ts", import.meta.url).pathname;

/** Lines that a process writes to one of its pipes. */
class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #pending = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** @returns null at the end */
  async next(): Promise<string | null> {
    for (;;) {
      const end = this.#pending.indexOf("\n");
      if (end >= 0) {
        const line = this.#pending.slice(0, end);
        this.#pending = this.#pending.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#reader.read();
      if (done) return null;
      this.#pending += value;
    }
  }

  async rest(): Promise<string> {
    const lines: string[] = [];
    for (let line = await this.next(); line !== null; line = await this.next()) lines.push(line);
    return lines.join("\n");
  }
}

/** Begins a word that is no argument, but a variable of the environment. */
const NOTIFY_SOCKET = "NOTIFY_SOCKET=";

/** The program in its own process; disposal kills it. */
class Program implements AsyncDisposable {
  readonly out: Lines;
  readonly error: Lines;
  readonly #process: Deno.ChildProcess;
  #ended = false;

  constructor(...words: string[]) {
    const args = words.filter((word) => !word.startsWith(NOTIFY_SOCKET));
    const env = Object.fromEntries(
      words.filter((word) => word.startsWith(NOTIFY_SOCKET)).map((word) => word.split("=")),
    );
    const at = /^--(preload|deny)/.test(args[0] ?? "") ? 1 : 0; // an option of the runtime, which stands before the program's name
    const command = ["run", "-A", ...args.slice(0, at), program, ...args.slice(at)];
    const options = { args: command, env, stdout: "piped", stderr: "piped" } as const;
    this.#process = new Deno.Command(Deno.execPath(), options).spawn();
    this.#process.status.then(() => this.#ended = true);
    this.out = new Lines(this.#process.stdout);
    this.error = new Lines(this.#process.stderr);
  }

  /** Waits until it listens. @returns its port, from the line that says so */
  async port(): Promise<number> {
    const line = await this.out.next();
    const match =
      /^Barnabas \d+\.\d+\.\d+ listening on 127\.0\.0\.1:(\d+) · data in .+ · \d+ shards? · started in \d+\.\d\d s$/
        .exec(line ?? "");
    assert(match !== null, line ?? await this.error.rest());
    return Number(match[1]);
  }

  signal(...signals: Deno.Signal[]): void {
    for (const signal of signals) if (!this.#ended) this.#process.kill(signal);
  }

  /** Waits for its end. */
  async end(): Promise<{ code: number; out: string; error: string }> {
    const [out, error, { code }] = await Promise.all([this.out.rest(), this.error.rest(), this.#process.status]);
    return { code, out, error };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.end();
  }
}

/** A new directory; disposal removes it with its contents. */
function temporaryDirectory(): { path: string } & AsyncDisposable {
  const path = Deno.makeTempDirSync({ prefix: "barnabas-main-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function produce(port: number, batch: Uint8Array): Promise<void> {
  using client = await KafkaClient.connect({ port });
  const value = {
    ...{ transactionalId: null, acks: -1, timeoutMs: 1000 },
    topicData: [{ name: "orders", partitionData: [{ index: 0, records: batch }] }],
  };
  await client.call(produceRequest, produceResponse, { apiVersion: 9, value });
}

async function topicsAt(port: number): Promise<{ name: string | null; partitions: number }[]> {
  using client = await KafkaClient.connect({ port });
  const value = { topics: null, allowAutoTopicCreation: false };
  const { topics } = await client.call(metadataRequest, metadataResponse, { apiVersion: 9, value });
  return topics.map(({ name, partitions }) => ({ name, partitions: partitions.length }));
}

Deno.test("main --help prints the help and exits 0; --version likewise", async () => {
  await using help = new Program("--help");
  const shown = await help.end();
  assert.deepEqual([shown.code, shown.error], [0, ""]);
  assert.match(shown.out, /^Barnabas .*\n\nUsage: /);
  await using version = new Program("--version");
  const { code, out } = await version.end();
  assert.deepEqual([code, /^Barnabas \d+\.\d+\.\d+$/.test(out)], [0, true]);
});

Deno.test("main exits 2 for a wrong command line, with a sentence on standard error", async () => {
  await using wrong = new Program("--prot", "1");
  assert.deepEqual(await wrong.end(), {
    code: 2,
    out: "",
    error: "barnabas: there is no flag --prot; did you mean --port?",
  });
});

Deno.test("main says what it needs and exits 1 on another system, and still prints its help there", async () => {
  await using directory = temporaryDirectory();
  const otherSystem = `${directory.path}/other_system.ts`;
  const build = `{ ...Deno.build, os: "darwin", arch: "aarch64" }`;
  await Deno.writeTextFile(otherSystem, `Object.defineProperty(Deno, "build", { value: ${build} });`);
  await using refused = new Program(`--preload=${otherSystem}`, "--port", "0", "--data", `${directory.path}/data`);
  const { code, out, error } = await refused.end();
  assert.deepEqual([code, out], [1, ""]);
  assert.match(error, /^barnabas: [^\n]*needs Linux on x86-64 or arm64 [^\n]*; this is darwin on aarch64$/);
  await using help = new Program(`--preload=${otherSystem}`, "--help");
  assert.equal((await help.end()).code, 0);
});

Deno.test("main says in a sentence which C library or permission is missing", async () => {
  await using directory = temporaryDirectory();
  const musl = `${directory.path}/musl.ts`;
  const failure = "Could not open library: Error loading shared library libc.so.6: No such file or directory";
  await Deno.writeTextFile(musl, `Deno.dlopen = () => { throw new Error("${failure}"); };`);
  for (
    const [flag, reason] of [[`--preload=${musl}`, failure], ["--deny-ffi", "run with -A or --allow-ffi"]] as const
  ) {
    await using refused = new Program(flag, "--port", "0", "--data", `${directory.path}/data`);
    const { code, out, error } = await refused.end();
    assert.deepEqual([code, out], [1, ""]);
    assert.match(error, /^barnabas: Barnabas needs Linux on x86-64 or arm64 with glibc [^\n]*$/);
    assert.ok(error.endsWith(reason), error);
  }
});

/** A program for `--preload` that changes what the runtime's listeners accept. @param changed fields of the connection */
function otherRuntime(changed: string): string {
  return `
    const { listen } = Deno;
    Deno.listen = (options) => {
      const listener = listen(options);
      const accept = listener.accept.bind(listener);
      listener.accept = async () => {
        const connection = await accept();
        const { localAddr, remoteAddr } = connection;
        return { localAddr, remoteAddr, close: () => connection.close(), ${changed} };
      };
      return listener;
    };`;
}

Deno.test("main warns when the runtime has changed and serves, or says in a sentence that it cannot", async () => {
  await using directory = temporaryDirectory();
  const preload = `${directory.path}/other_runtime.js`;
  const args = [`--preload=${preload}`, "--port", "0", "--shards", "1", "--data", `${directory.path}/data`];
  await Deno.writeTextFile(preload, otherRuntime(""));
  await using warned = new Program(...args);
  assert.deepEqual(await topicsAt(await warned.port()), []);
  warned.signal("SIGTERM");
  const { error } = await warned.end();
  assert.match(error, /The runtime does not tell a connection's descriptor/);
  await Deno.writeTextFile(preload, otherRuntime("remoteAddr: localAddr"));
  await using refused = new Program(...args);
  const end = await refused.end();
  assert.deepEqual([end.code, end.out], [1, ""]);
  assert.match(end.error, /^barnabas: Cannot take a connection over: [^\n]* \(this is Deno [^\n]*\)$/);
});

Deno.test("main starts on a free port with its topics, stops cleanly by SIGTERM and opens its directory again", async () => {
  await using directory = temporaryDirectory();
  const args = ["--port", "0", "--shards", "2", "--data", `${directory.path}/data`];
  await using first = new Program(...args, "--topic", "a:3", "--topic", "b:1:segment.ms=60000");
  assert.deepEqual(await topicsAt(await first.port()), [{ name: "a", partitions: 3 }, { name: "b", partitions: 1 }]);
  first.signal("SIGTERM");
  const { code, out, error } = await first.end();
  assert.deepEqual([code, out], [0, ""]);
  const lines = error.split("\n").map((line) => line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+00:00 /, ""));
  assert.deepEqual(lines, [
    "[INF] barnabas.topics: Topic a was created: partitions 3, replicas 1",
    "[INF] barnabas.topics: Topic b was created: partitions 1, replicas 1; segment.ms=60000",
    "barnabas: SIGTERM: stopping; another one stops at once",
  ]);
  await using second = new Program(...args, "--topic", "a:3");
  assert.equal((await topicsAt(await second.port())).length, 2);
  second.signal("SIGINT");
  assert.equal((await second.end()).code, 0);
});

Deno.test("main writes JSON lines where barnabas.log.format asks for them, of the levels that barnabas.log.levels names", async () => {
  await using directory = temporaryDirectory();
  const args = ["--port", "0", "--shards", "1", "--data", `${directory.path}/data`, "--topic", "a:3"];
  await using json = new Program(...args, "--override", "barnabas.log.format=json");
  const [topic, greeting] = [JSON.parse(await json.error.next() ?? ""), JSON.parse(await json.error.next() ?? "")];
  const { timestamp, ...others } = topic;
  assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const message = "Topic a was created: partitions 3, replicas 1";
  assert.deepEqual(others, { level: "info", category: "barnabas.topics", message, topic: "a" });
  assert.deepEqual([greeting.category, /^Barnabas .* listening on /.test(greeting.message)], ["barnabas", true]);
  json.signal("SIGTERM");
  const { code, out, error } = await json.end();
  assert.deepEqual([code, out, JSON.parse(error).message], [0, "", "SIGTERM: stopping; another one stops at once"]);
  await using quiet = new Program(...args, "--topic", "b", "--override", "barnabas.log.levels=barnabas.topics=warning");
  await quiet.port();
  quiet.signal("SIGTERM");
  assert.match((await quiet.end()).error, /^barnabas: SIGTERM[^\n]*$/);
});

Deno.test("main tells the service manager of NOTIFY_SOCKET when it serves and when it stops, by a path and by an abstract name", async () => {
  await using directory = temporaryDirectory();
  const receiver = new URL("./tests/service_manager_receiver.ts", import.meta.url).pathname;
  for (const name of [`${directory.path}/notify`, `@barnabas-${crypto.randomUUID()}`]) {
    const command = ["run", "-A", "--unstable-net", receiver, name];
    const receiving = new Deno.Command(Deno.execPath(), { args: command, stdout: "piped" }).spawn();
    const told = new Lines(receiving.stdout);
    assert.equal(await told.next(), '"listening"');
    const args = ["--port", "0", "--shards", "1", "--data", `${directory.path}/data`];
    await using started = new Program(`${NOTIFY_SOCKET}${name}`, ...args);
    const port = await started.port();
    assert.equal(JSON.parse(await told.next() ?? ""), `READY=1\nSTATUS=Listening on 127.0.0.1:${port}`);
    started.signal("SIGHUP");
    assert.match(
      JSON.parse(await told.next() ?? ""),
      /^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=Reading the settings again$/,
    );
    assert.equal(JSON.parse(await told.next() ?? ""), "READY=1\nSTATUS=SIGHUP: no setting is another one");
    started.signal("SIGTERM");
    assert.equal(JSON.parse(await told.next() ?? ""), "STOPPING=1\nSTATUS=Stopping");
    assert.equal((await started.end()).code, 0);
    receiving.kill();
    await Promise.all([receiving.status, told.rest()]);
  }
  await using alone = new Program(
    `${NOTIFY_SOCKET}@barnabas-nobody`,
    "--port",
    "0",
    "--data",
    `${directory.path}/data`,
  );
  await alone.port();
  alone.signal("SIGTERM");
  const { code, error } = await alone.end();
  assert.deepEqual([code, /cannot be told "Listening on .*": ECONNREFUSED, nobody listens$/m.test(error)], [0, true]);
});

Deno.test("main reads a server.properties file and reports once the names that it does not use", async () => {
  await using directory = temporaryDirectory();
  const file = `${directory.path}/server.properties`;
  const properties = ["listeners=PLAINTEXT://127.0.0.1:0", `log.dirs=${directory.path}/data`, "num.partitions=4"];
  await Deno.writeTextFile(file, [...properties, "num.io.threads=8", "barnabas.shards=1"].join("\n"));
  await using started = new Program("--config", file, "--override", "num.partitions=2", "--topic", "c");
  assert.deepEqual(await topicsAt(await started.port()), [{ name: "c", partitions: 2 }]);
  assert.equal(await started.error.next(), `barnabas: not used from ${file}: num.io.threads`);
});

Deno.test("main exits 1 with a sentence when its port or its directory is taken", async () => {
  await using directory = temporaryDirectory();
  const data = `${directory.path}/data`;
  await using running = new Program("--port", "0", "--shards", "1", "--data", data);
  const port = await running.port();
  await using samePort = new Program("--port", String(port), "--shards", "1", "--data", `${directory.path}/other`);
  const portTaken = await samePort.end();
  assert.equal(portTaken.code, 1);
  assert.match(portTaken.error, new RegExp(`^barnabas: 127\\.0\\.0\\.1:${port} is in use: [^\\n]+$`));
  await using sameDirectory = new Program("--port", "0", "--shards", "1", "--data", data);
  const directoryTaken = await sameDirectory.end();
  assert.equal(directoryTaken.code, 1);
  assert.match(directoryTaken.error, /^barnabas: [^\n]*another broker[^\n]*$/);
});

Deno.test("main exits 1 with a sentence when its directory cannot be used", async () => {
  await using directory = temporaryDirectory();
  await Deno.writeTextFile(`${directory.path}/file`, "");
  await using program = new Program("--port", "0", "--data", `${directory.path}/file/data`);
  const { code, error } = await program.end();
  assert.equal(code, 1);
  assert.match(error, /^barnabas: [^\n]*file\/data[^\n]*$/);
});

Deno.test("main verify reads a directory that no broker uses, and main dump shows a segment", async () => {
  await using directory = temporaryDirectory();
  const data = `${directory.path}/data`;
  {
    await using running = new Program("--port", "0", "--shards", "1", "--data", data, "--topic", "orders:2");
    await produce(await running.port(), buildBatch([{ key: "k", value: "first order" }]));
    await using refused = new Program("verify", "--data", data);
    const { code, out, error } = await refused.end();
    assert.deepEqual([code, out], [1, ""]);
    assert.match(error, /^barnabas: [^\n]*is used by a broker: stop it first[^\n]*$/);
    running.signal("SIGTERM");
    assert.equal((await running.end()).code, 0);
  }
  await using verify = new Program("verify", "--data", data);
  const { code, out, error } = await verify.end();
  assert.deepEqual([code, error], [0, ""]);
  assert.match(out, /^2 partitions, 2 segments, 1 batches, 1 records, 0\.1 KB: no damage$/);
  await using dump = new Program("dump", `${data}/orders-0/00000000000000000000.log`);
  const shown = await dump.end();
  assert.equal(shown.code, 0, shown.error);
  assert.match(shown.out, /^batch 0\.\.0 {2}position 0 .*\n {2}0 {2}\S+ {2}key "k" {2}value "first order"$/);
});

Deno.test("main stops at once on a second signal, with 128 + its number", async () => {
  await using directory = temporaryDirectory();
  await using program = new Program("--port", "0", "--shards", "1", "--data", `${directory.path}/data`);
  await program.port();
  program.signal("SIGINT", "SIGTERM");
  const { code, error } = await program.end();
  // Either signal may arrive first. If the program printed one, that was the first.
  const first = /^barnabas: (SIG\w+): stopping/.exec(error)?.[1];
  const expected = [["SIGTERM", 128 + 2], ["SIGINT", 128 + 15]].filter(([name]) =>
    first === undefined || name === first
  );
  assert(expected.some(([, number]) => number === code), `exit code ${code} after ${first ?? "neither was named"}`);
});

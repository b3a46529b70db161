import assert from "node:assert/strict";
import { parseRaise, type RaiseOptions } from "./raise_options.ts";

function parsed(...args: string[]): RaiseOptions {
  const options = parseRaise(args);
  assert.ok(!("refused" in options), JSON.stringify(options));
  return options;
}

function refusal(...args: string[]): string {
  const options = parseRaise(args);
  assert.ok("refused" in options, JSON.stringify(options));
  return options.refused;
}

const SERVER = ["--bootstrap-server", "a:9092"];
const FACTOR = ["--replication-factor", "3"];

Deno.test("parseRaise() takes brokers, a number of replicas, and topics or all of them", () => {
  assert.deepEqual(parsed(...SERVER, ...FACTOR, "--all"), {
    servers: [{ host: "a", port: 9092 }],
    replicationFactor: 3,
    topics: null,
    isDryRun: false,
  });
  const two = parsed("--topics=b,a,b,", "--bootstrap-server=10.0.0.1:1,[::1]:65535", "--dry-run", ...FACTOR);
  assert.deepEqual(two.servers, [{ host: "10.0.0.1", port: 1 }, { host: "::1", port: 65535 }]);
  assert.deepEqual([two.topics, two.isDryRun], [["b", "a"], true]);
});

Deno.test("parseRaise() refuses what is missing, wrong or given twice with a sentence", () => {
  assert.match(refusal(), /--bootstrap-server HOST:PORT is missing/);
  assert.match(refusal(...SERVER, "--all"), /--replication-factor N is missing/);
  assert.match(refusal(...SERVER, ...FACTOR), /either --all or --topics/);
  assert.match(refusal(...SERVER, ...FACTOR, "--all", "--topics", "t"), /either --all or --topics/);
  assert.match(refusal(...SERVER, ...SERVER), /--bootstrap-server is given twice/);
  assert.match(refusal("--topics"), /--topics needs a value/);
  assert.match(refusal("--toppics", "t"), /there is no flag --toppics; did you mean --topics\?/);
  for (const factor of ["0", "x", "-1", "32768", "1.5"]) {
    assert.match(refusal(...SERVER, "--replication-factor", factor, "--all"), /from 1 to 32767/);
  }
  for (const address of ["a", "a:", ":1", "a:b", "a:65536", "a:1,", "http://a:1", "::1:9"]) {
    assert.match(refusal("--bootstrap-server", address, ...FACTOR, "--all"), /an address is HOST:PORT/, address);
  }
});

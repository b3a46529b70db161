import { strict as assert } from "node:assert";
import { ServiceManager } from "./service_manager.ts";

const receiver = new URL("../../tests/service_manager_receiver.ts", import.meta.url).pathname;

Deno.test("ServiceManager asks for more time while a start goes on, and says when the broker serves and stops", async () => {
  const name = `@barnabas-${crypto.randomUUID()}`;
  const args = ["run", "-A", "--unstable-net", receiver, name];
  const receiving = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const reader = receiving.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const lines = async (count: number) => {
    while (text.split("\n").length <= count) text += (await reader.read()).value ?? assert.fail("it goes on");
    return text.trimEnd().split("\n").map((line) => JSON.parse(line));
  };
  await lines(1);
  using manager = new ServiceManager({ socket: name, report: (text) => assert.fail(text) });
  manager.starting("Opening logs: 3 of 9 partitions so far");
  manager.ready("Listening on h:1\nREADY=0");
  manager.reloading("Reading the settings again");
  manager.ready("done");
  manager.stopping("Stopping");
  manager.reloading("too late");
  manager.ready("too late");
  manager.stopping("Stopping still");
  const told = await lines(7);
  const reloading = told.splice(3, 1)[0];
  assert.match(reloading, /^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+\nSTATUS=Reading the settings again$/);
  assert.deepEqual(told, [
    "listening",
    "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=Opening logs: 3 of 9 partitions so far",
    "READY=1\nSTATUS=Listening on h:1\\nREADY=0",
    "READY=1\nSTATUS=done",
    "STOPPING=1\nSTATUS=Stopping",
    "STOPPING=1\nSTATUS=Stopping still",
  ]);
  await reader.cancel();
  receiving.kill();
  await receiving.status;
});

Deno.test("ServiceManager reports once what cannot be told, and is silent where there is no service manager", () => {
  const said: string[] = [];
  const report = (text: string) => void said.push(text);
  using nobody = new ServiceManager({ socket: "@barnabas-nobody", report });
  for (let count = 0; count < 3; count++) nobody.starting("a");
  assert.deepEqual(said.splice(0), ['The service manager cannot be told "a": ECONNREFUSED, nobody listens']);
  using wrong = new ServiceManager({ socket: "vsock:2:1", report });
  wrong.ready("b");
  assert.deepEqual(said.splice(0), ['The service manager is told nothing: "vsock:2:1" names no local socket']);
  for (const socket of ["", undefined]) {
    using none = new ServiceManager({ socket, report });
    none.ready("c");
  }
  assert.deepEqual(said, []);
});

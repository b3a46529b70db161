import { strict as assert } from "node:assert";
import { UncommittedLogs } from "./uncommitted_logs.ts";

Deno.test("UncommittedLogs.warning() does not mention logs without aborted or open transactions", () => {
  const logs = new UncommittedLogs();
  logs.note("a-0", { hasAborted: false, openCount: 0 });
  assert.equal(logs.warning(), null);
});

Deno.test("UncommittedLogs.warning() names the first partitions, what they hold, and how many more there are", () => {
  const logs = new UncommittedLogs();
  logs.note("a-0", { hasAborted: true, openCount: 0 });
  assert.match(logs.warning() ?? "", /1 partition holds aborted or open ones.*: a-0 \(aborted\)\. /);
  logs.note("b-1", { hasAborted: false, openCount: 2 });
  logs.note("c-2", { hasAborted: true, openCount: 1 });
  assert.match(
    logs.warning() ?? "",
    /3 partitions hold .*: a-0 \(aborted\), b-1 \(2 open\), c-2 \(aborted, 1 open\)\. /,
  );
  for (let partition = 0; partition < 1000; partition++) {
    logs.note(`d-${partition}`, { hasAborted: true, openCount: 0 });
  }
  assert.match(logs.warning() ?? "", /1003 partitions .* d-6 \(aborted\) and 993 more\. /);
  assert.ok((logs.warning() ?? "").length < 700);
});

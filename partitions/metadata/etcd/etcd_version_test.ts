import assert from "node:assert/strict";
import { refusedVersion } from "./etcd_version.ts";

Deno.test("refusedVersion() refuses etcd before 3.4, the broken 3.5.0 to 3.5.2, and what is no version", () => {
  for (const version of ["3.4.0", "3.4.23", "3.5.3", "3.5.16", "3.6.0-rc.1", "3.7.1", "4.0.0", "3.10.0"]) {
    assert.equal(refusedVersion(version), null, version);
  }
  for (const version of ["2.3.8", "3.3.27", "0.4.9"]) {
    assert.match(refusedVersion(version) ?? "", /needs 3\.4 or later/, version);
  }
  for (const version of ["3.5.0", "3.5.1", "3.5.2"]) {
    assert.match(refusedVersion(version) ?? "", /upgrade it to 3\.5\.3/, version);
  }
  for (const version of ["undefined", "", "3.4"]) assert.match(refusedVersion(version) ?? "", /is it an etcd/, version);
});

/** The rows of APIs by their keys. Tests only. */
import assert from "node:assert/strict";
import type { ServedApi } from "../requests/api.ts";
import { apis } from "./mod.ts";

/** The row of an API that is served. */
export function apiOf(apiKey: number): ServedApi {
  const found = apis.find(({ key }) => key === apiKey);
  assert.ok(found !== undefined, `API ${apiKey} is served`);
  return found;
}

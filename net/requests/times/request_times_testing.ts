/** Times of requests for tests that do not look at them. Tests only. */
import { ShardCounters } from "../../../partitions/mod.ts";
import { RequestTimes } from "./request_times.ts";

/** Counts where nobody looks, at a time that does not pass. */
export function untimed(): RequestTimes {
  return new RequestTimes(new ShardCounters(ShardCounters.allocate()), { nowUs: 0 });
}

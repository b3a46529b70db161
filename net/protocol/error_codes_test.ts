/** The table of error codes. */
import { deepEqual, equal, match } from "node:assert/strict";
import { errorCode, errorMessage, errorName } from "./error_codes.ts";

Deno.test("errorCode holds every code of Kafka once, from -1 to 136", () => {
  const codes = Object.values(errorCode).sort((a, b) => a - b);
  deepEqual(codes, Array.from({ length: 138 }, (_, index) => index - 1));
});

Deno.test("errorCode has the numbers that clients know", () => {
  deepEqual(
    [
      errorCode.OFFSET_OUT_OF_RANGE,
      errorCode.NOT_LEADER_OR_FOLLOWER,
      errorCode.MESSAGE_TOO_LARGE,
      errorCode.UNSUPPORTED_VERSION,
    ],
    [1, 6, 10, 35],
  );
  deepEqual(
    [
      errorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
      errorCode.KAFKA_STORAGE_ERROR,
      errorCode.FENCED_LEADER_EPOCH,
      errorCode.UNKNOWN_TOPIC_ID,
    ],
    [45, 56, 74, 100],
  );
  deepEqual([errorCode.INVALID_RECORD, errorCode.TRANSACTION_ABORTABLE, errorCode.REBOOTSTRAP_REQUIRED], [
    87,
    120,
    129,
  ]);
});

Deno.test("errorName() and errorMessage() know every code and invent none", () => {
  for (const [name, code] of Object.entries(errorCode)) {
    equal(errorName(code), name);
    if (code !== 0) match(errorMessage(code), /^[A-Z].*\.$/);
  }
  equal(errorMessage(0), "");
  equal(errorName(9999), "UNKNOWN_ERROR_CODE_9999");
});

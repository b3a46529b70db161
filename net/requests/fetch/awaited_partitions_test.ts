import { strict as assert } from "node:assert";
import { partitionState, WatermarkTable } from "../../../partitions/mod.ts";
import { emptyWatermarks } from "../../../partitions/shared/watermarks.ts";
import { AwaitedPartitions } from "./awaited_partitions.ts";

Deno.test("AwaitedPartitions counts what has become visible: bytes above the high watermark count once it has passed them", () => {
  const watermarks = new WatermarkTable(WatermarkTable.allocate());
  const open = { ...emptyWatermarks(), state: partitionState.open, leadership: 1 };
  const publish = (highWatermarkBytes: number, logEndBytes: number) =>
    watermarks.write(3, { ...open, highWatermarkBytes, logEndBytes });
  publish(1000, 1000);
  const awaited = new AwaitedPartitions([{ slot: 3, visibleBytes: 1000, length: 20 }]);
  assert.equal(awaited.hasGrownEnough(watermarks, 20), false, "nothing new is visible");
  for (const [highWatermarkBytes, isEnough] of [[1000, false], [1079, false], [1080, true]] as const) {
    publish(highWatermarkBytes, 1500);
    assert.equal(awaited.hasGrownEnough(watermarks, 100), isEnough, `${highWatermarkBytes}`);
  }
  publish(1000, 1500);
  assert.equal(awaited.hasGrownEnough(watermarks, 100), false);
  watermarks.write(3, { ...open, leadership: 2, highWatermarkBytes: 1000, logEndBytes: 1500 });
  assert.equal(awaited.hasGrownEnough(watermarks, 100), true, "it is not led any more: the next read is refused");
});

import { strict as assert } from "node:assert";
import { partitionState, WatermarkTable } from "../../../partitions/mod.ts";
import { emptyWatermarks } from "../../../partitions/shared/watermarks.ts";
import { AwaitedPartitions } from "./awaited_partitions.ts";

Deno.test("AwaitedPartitions counts what has become visible: bytes above the high watermark count once it has passed them", () => {
  const watermarks = new WatermarkTable(WatermarkTable.allocate());
  const publish = (highWatermarkBytes: number, logEndBytes: number) =>
    watermarks.write(3, { ...emptyWatermarks(), state: partitionState.open, highWatermarkBytes, logEndBytes });
  publish(1000, 1000);
  const awaited = new AwaitedPartitions([{ slot: 3, highWatermarkBytes: 1000, length: 20 }]);
  assert.equal(awaited.hasGrownEnough(watermarks, 20), false, "nothing new is visible");
  for (const [highWatermarkBytes, isEnough] of [[1000, false], [1079, false], [1080, true]] as const) {
    publish(highWatermarkBytes, 1500);
    assert.equal(awaited.hasGrownEnough(watermarks, 100), isEnough, `${highWatermarkBytes}`);
  }
});

/**
 * System calls of a running broker begin to fail, and then work again: an fdatasync ends with EIO; writes end with ENOSPC, EROFS, or fewer
 * bytes than asked for. Idempotent producers get Kafka's code, nothing that was acknowledged before is lost, other topics are served as
 * before, also those whose flushes are in the same group, and Apache Kafka finds no fault in the files. Then flushes take 200 ms each, and
 * turns of shards stay short. In the end the file system is full, or read-only. (Faults from the start of a broker, EIO of writes, ENOSPC
 * of flushes, and the order of answers beside a slow flush: tests/disk_faults_test.ts.)
 */
import assert from "node:assert/strict";
import { wireBatch } from "../../bench/peer/wire_bytes.ts";
import { NONE, WireClient } from "../../bench/peer/wire_client.ts";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { judgeTurns } from "../hostile/judgement.ts";
import { Meter } from "../hostile/meter.ts";
import { Victim } from "../hostile/victim_process.ts";
import { underStrace } from "../strace.ts";
import { startBrokerProcess, temporaryDirectory } from "./broker.ts";
import { dumpLogSegments } from "./dump_log.ts";
import { FAULTY, Scene } from "./fault_scene.ts";
import { fillUp, mountMemory } from "./system_faults.ts";
import { interopTest } from "./toolchain.ts";

const { KAFKA_STORAGE_ERROR } = errorCode;

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  interopTest({
    name: `disk faults: EIO of an fdatasync takes its log offline until a restart (${signal}); no other topic notices`,
    needs: ["strace", "kafka"],
    async fn() {
      using directory = temporaryDirectory();
      {
        await using scene = await Scene.start(directory.path);
        const { faulty, sound } = scene;
        {
          await using fault = await scene.inject("fdatasync", "error=EIO");
          assert.equal(await faulty.send(scene.client), KAFKA_STORAGE_ERROR);
          await scene.sendAll(sound);
          assert.equal(fault.count, 1, "the flush is not tried again");
        }
        for (const acks of [-1, 1]) assert.equal(await faulty.send(scene.client, { acks }), KAFKA_STORAGE_ERROR);
        assert.equal((await scene.client.fetch(FAULTY, 0)).errorCode, KAFKA_STORAGE_ERROR);
        await scene.sendAll(sound);
        await scene.verify(sound);
        await scene.restart(signal);
        await scene.sendAll([faulty, ...sound]);
        await scene.verify([faulty, ...sound]);
      }
      assert.deepEqual((await dumpLogSegments(directory.path)).complaints, []);
    },
  });
}

for (const injected of ["error=ENOSPC", "error=EROFS", "retval=100"]) {
  interopTest({
    name:
      `disk faults: writes that end with ${injected} are refused, nothing of them is stored, and later ones succeed`,
    needs: ["strace", "kafka"],
    async fn() {
      using directory = temporaryDirectory();
      {
        await using scene = await Scene.start(directory.path);
        const { faulty, sound } = scene;
        {
          await using fault = await scene.inject("pwrite64", injected);
          for (const acks of [-1, 1, -1]) assert.equal(await faulty.send(scene.client, { acks }), KAFKA_STORAGE_ERROR);
          assert(fault.count >= 3);
          await scene.sendAll(sound);
          await scene.verify([faulty, ...sound]);
        }
        await scene.sendAll([faulty, ...sound]);
        await scene.verify([faulty, ...sound]);
        await scene.restart("SIGKILL");
        await scene.sendAll([faulty, ...sound]);
        await scene.verify([faulty, ...sound]);
      }
      assert.deepEqual((await dumpLogSegments(directory.path)).complaints, []);
    },
  });
}

interopTest({
  name:
    "disk faults: while each flush of a topic takes 200 ms, turns of shards stay short, and other topics are served",
  needs: ["strace"],
  async fn() {
    const partitions = [0, 1, 2, 3];
    await using victim = await Victim.start({
      wrapper: (dataDir) =>
        underStrace({
          call: "fdatasync",
          injected: "delay_exit=200000",
          paths: partitions.map((partition) => `${dataDir}/slow-${partition}/${"0".repeat(20)}.log`),
        }),
    });
    using slow = await WireClient.connect(victim.port);
    using fast = await WireClient.connect(victim.port);
    using meter = new Meter();
    await slow.createTopic("slow", partitions.length, { "flush.messages": "1" });
    await fast.createTopic("fast", partitions.length);
    const before = await victim.turnTimes();
    await meter.start(victim.pid);
    const batch = wireBatch([{ value: new Uint8Array(500) }]);
    let [isOver, servedMeanwhile] = [false, 0];
    const slowly = (async () => {
      const startMs = performance.now();
      for (const partition of [...partitions, ...partitions]) {
        assert.equal((await slow.produce({ topic: "slow", partition }, batch)).errorCode, NONE);
      }
      isOver = true;
      assert(performance.now() - startMs >= 8 * 200, "each acknowledgement waited for its flush");
    })();
    while (!isOver) {
      const to = { topic: "fast", partition: servedMeanwhile++ % partitions.length };
      assert.equal((await fast.produce(to, batch)).errorCode, NONE);
    }
    await slowly;
    const samples = await meter.stop();
    const complaints: string[] = [];
    judgeTurns(before!, (await victim.turnTimes())!, { samples, complain: (text) => complaints.push(text) });
    assert.deepEqual(complaints, []);
    assert(servedMeanwhile > 100, `${servedMeanwhile} batches of the other topic were acknowledged meanwhile`);
  },
});

interopTest({
  name: "disk faults: on a full disk appends are refused and reads continue; with room again all is appended, once",
  needs: ["mount", "kafka"],
  async fn() {
    using directory = temporaryDirectory();
    using _mounted = mountMemory(directory.path, { megabytes: 64 });
    {
      await using scene = await Scene.start(directory.path);
      const { faulty, sound } = scene;
      const all = [faulty, ...sound];
      const room = fillUp(directory.path);
      for (let i = 0; i < 3; i++) {
        // More than the rest of a page of each file, and of a block that was reserved.
        for (const producer of all) {
          assert.equal(await producer.send(scene.client, { bytes: 900_000 }), KAFKA_STORAGE_ERROR, producer.to.topic);
        }
      }
      await assert.rejects(
        scene.client.createTopic("refused", 1),
        /the disk is full: the broker answered error code 56/,
      );
      await scene.verify(all);
      room.free();
      await scene.client.createTopic("refused", 1);
      await scene.sendAll(all);
      await scene.verify(all);
      await scene.restart("SIGKILL");
      await scene.sendAll(all);
      await scene.verify(all);
    }
    assert.deepEqual((await dumpLogSegments(directory.path)).complaints, []);
  },
});

interopTest({
  name:
    "disk faults: a broker on a read-only file system does not start and says why; writable again, it has every record",
  needs: ["mount"],
  async fn() {
    using directory = temporaryDirectory();
    using mounted = mountMemory(directory.path, { megabytes: 64 });
    await using scene = await Scene.start(directory.path);
    const all = [scene.faulty, ...scene.sound];
    await scene.broker.process.kill();
    mounted.remount("ro");
    await assert.rejects(() => startBrokerProcess({ dataDir: directory.path }), /is not writable .*EROFS/);
    mounted.remount("rw");
    await scene.restart("SIGKILL");
    await scene.sendAll(all);
    await scene.verify(all);
  },
});

import { strict as assert } from "node:assert";
import { join } from "node:path";
import { errorCode } from "../../net/protocol/error_codes.ts";
import { withDirectory } from "../../tests/temporary_directory.ts";
import { type FutureReplica, MetadataImage } from "../metadata/image.ts";
import { elsewhere, topicOn } from "../owned/partition_testing.ts";
import { type ExchangeOutcome, type FutureCopy, type ReplicaMove, ReplicaMoves } from "./replica_moves.ts";

/** Moves between two directories; the exchange is the test's. */
class Scene {
  readonly image = new MetadataImage();
  readonly announced: (FutureReplica | null)[] = [];
  readonly reports: string[] = [];
  readonly done = Promise.withResolvers<void>();
  readonly moves: ReplicaMoves;
  rolls = 0;
  onExchange: (move: ReplicaMove, copy: FutureCopy) => Promise<ExchangeOutcome> = async (_, copy) => {
    await copy.finish();
    this.done.resolve();
    return "moved";
  };

  constructor(readonly root: string) {
    this.image.apply({ changed: [topicOn([0, 0])], deletedIds: [] });
    for (const directory of ["a", "b"]) Deno.mkdirSync(join(root, directory, "t-0"), { recursive: true });
    Deno.removeSync(join(root, "b", "t-0"));
    Deno.writeTextFileSync(join(root, "a/t-0/00000000000000000000.log"), "records");
    this.moves = new ReplicaMoves({
      image: this.image,
      paths: [join(root, "a"), join(root, "b")],
      namedPaths: ["named/a", "named/b"],
      roll: () => Promise.resolve(void this.rolls++),
      announce: (_, future) => Promise.resolve(void this.announced.push(future)),
      exchange: (move, copy) => this.onExchange(move, copy),
      report: (text) => {
        this.reports.push(text);
        this.done.resolve();
      },
      inform: () => {},
    });
  }

  request(partition = 0, to = "b"): number {
    return this.moves.request([{ topic: "t", partition, path: join(this.root, to) }])[0] as number;
  }

  /** Directories in the target. */
  get copies(): string[] {
    return [...Deno.readDirSync(join(this.root, "b"))].map(({ name }) => name);
  }
}

const { NONE } = errorCode;

Deno.test("ReplicaMoves announces a copy, names it as Kafka does, and asks for its exchange", () =>
  withDirectory(async (root) => {
    const scene = new Scene(root);
    assert.equal(scene.request(), NONE);
    await scene.done.promise;
    await scene.moves.stop();
    assert.match(scene.copies.join(), /^t-0\.[0-9a-f]{32}-future$/);
    assert.deepEqual(scene.announced, [{ directory: 1, bytes: 0, endOffset: 0 }]);
    assert.deepEqual([scene.rolls, scene.reports], [0, []]);
  }));

Deno.test("ReplicaMoves closes a large active segment a limited number of times, so that little is copied while the partition is closed", () =>
  withDirectory(async (root) => {
    const scene = new Scene(root);
    Deno.truncateSync(join(root, "a/t-0/00000000000000000000.log"), 17 * 1024 * 1024);
    scene.request();
    await scene.done.promise;
    await scene.moves.stop();
    assert.equal(scene.rolls, 8);
  }));

Deno.test("ReplicaMoves tries again while the partition cannot be closed, and removes the copy when it is not moved", () =>
  withDirectory(async (root) => {
    const scene = new Scene(root);
    const outcomes: ExchangeOutcome[] = ["busy", "busy", "kept"];
    const over = Promise.withResolvers<void>();
    scene.onExchange = () => {
      const outcome = outcomes.shift() as ExchangeOutcome;
      if (outcomes.length === 0) over.resolve();
      return Promise.resolve(outcome);
    };
    scene.request();
    await over.promise;
    await scene.moves.stop();
    assert.deepEqual([scene.copies, scene.announced.at(-1)], [[], null]);
  }));

Deno.test("ReplicaMoves keeps the copy that the store names already, although the partition is offline", () =>
  withDirectory(async (root) => {
    const scene = new Scene(root);
    scene.onExchange = async (_, copy) => {
      await copy.finish();
      scene.done.resolve();
      return "offline";
    };
    scene.request();
    await scene.done.promise;
    await scene.moves.stop();
    assert.equal(scene.copies.length, 1);
  }));

Deno.test("ReplicaMoves reports a refusal of the disk and removes the copy", () =>
  withDirectory(async (root) => {
    const scene = new Scene(root);
    scene.onExchange = () => Promise.reject(new Deno.errors.NotFound("gone"));
    scene.request();
    await scene.done.promise;
    await scene.moves.stop();
    assert.match(scene.reports.join(), /^Cannot move t-0 to .*\/b: /);
    assert.deepEqual(scene.copies, []);
  }));

Deno.test("ReplicaMoves ends a move when its topic is deleted, or when the partition is asked for where it is", () =>
  withDirectory(async (root) => {
    for (const end of ["deleted", "back"] as const) {
      const scene = new Scene(await Deno.makeTempDir({ dir: root }));
      const over = Promise.withResolvers<void>();
      scene.onExchange = () => {
        if (end === "back") assert.equal(scene.request(0, "a"), NONE);
        else scene.image.apply({ changed: [], deletedIds: [scene.image.topic("t")?.id ?? ""] });
        over.resolve();
        return Promise.resolve(end === "back" ? "busy" : "kept");
      };
      scene.request();
      await over.promise;
      await scene.moves.stop();
      assert.deepEqual(scene.copies, [], end);
    }
  }));

Deno.test("ReplicaMoves goes on with a move that is asked for again, and takes the paths as log.dirs names them", () =>
  withDirectory(async (root) => {
    const scene = new Scene(root);
    const names = new Set<string>();
    let tries = 0;
    scene.onExchange = (_, { name }) => {
      names.add(name);
      assert.deepEqual(scene.moves.request([{ topic: "t", partition: 0, path: "named/b" }]), [NONE]);
      if (++tries < 3) return Promise.resolve("busy");
      scene.done.resolve();
      return Promise.resolve("moved");
    };
    scene.request();
    await scene.done.promise;
    await scene.moves.stop();
    assert.equal(names.size, 1, "one copy");
  }));

Deno.test("ReplicaMoves brings a partition back that is asked for where it was while its move is being completed", () =>
  withDirectory(async (root) => {
    const scene = new Scene(root);
    const targets: number[] = [];
    scene.onExchange = async ({ to }, copy) => {
      targets.push(to);
      if (to === 1) assert.equal(scene.request(0, "a"), NONE);
      await copy.finish();
      const topic = topicOn([0, 0]);
      const partitions = topic.partitions.map((place) => ({ ...place, directory: to }));
      const path = (index: number) => join(root, "ab"[index] as string);
      Deno.removeSync(join(path(1 - to), "t-0"), { recursive: true });
      Deno.renameSync(join(path(to), copy.name), join(path(to), "t-0"));
      scene.image.apply({ changed: [{ ...topic, partitions }], deletedIds: [] });
      if (to === 0) scene.done.resolve();
      return "moved";
    };
    scene.request();
    await scene.done.promise;
    await scene.moves.stop();
    assert.deepEqual([targets, scene.copies, scene.reports], [[1, 0], [], []]);
  }));

Deno.test("ReplicaMoves ends a copy between two files when it is stopped", () =>
  withDirectory(async (root) => {
    const scene = new Scene(root);
    for (let offset = 1; offset < 50; offset++) {
      Deno.writeTextFileSync(join(root, `a/t-0/${String(offset).padStart(20, "0")}.log`), "records");
    }
    scene.request();
    await scene.moves.stop();
    assert.deepEqual([scene.copies, scene.reports, scene.announced], [[], [], [null]]);
  }));

Deno.test("ReplicaMoves moves replicas of this broker alone", () =>
  withDirectory(async (root) => {
    const scene = new Scene(root);
    scene.image.apply({ changed: [elsewhere(topicOn([0, 0]), [0])], deletedIds: [] });
    assert.equal(scene.request(), errorCode.REPLICA_NOT_AVAILABLE);
    await scene.moves.stop();
    assert.deepEqual(scene.copies, []);
  }));

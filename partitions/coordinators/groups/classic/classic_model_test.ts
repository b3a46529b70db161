/**
 * Random sequences of joins, syncs, heartbeats, commits, leaves, expiries, refused appends and restarts of a classic group. The seed
 * is printed when a sequence fails; BARNABAS_SEED replays one. BARNABAS_SLOW=1 takes two million steps.
 */
import assert from "node:assert/strict";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../../net/protocol/messages/11_join_group.ts";
import type { HeartbeatRequest, HeartbeatResponse } from "../../../../net/protocol/messages/12_heartbeat.ts";
import type { LeaveGroupRequest, LeaveGroupResponse } from "../../../../net/protocol/messages/13_leave_group.ts";
import type { SyncGroupRequest, SyncGroupResponse } from "../../../../net/protocol/messages/14_sync_group.ts";
import type { GroupPorts } from "../group_ports.ts";
import type { CoordinatorClient, Reply } from "../../runtime/coordinator.ts";
import { ClassicGroup } from "./classic_group.ts";
import { ClassicModel, type ModelOptions } from "./classic_model_testing.ts";
import type { ModelCounts } from "./classic_promises_testing.ts";

const STEPS = 5000;

function runSequence(seed: number, options: ModelOptions = {}): ModelCounts {
  const model = new ClassicModel(seed, options);
  try {
    for (let step = 0; step < STEPS; step++) model.step();
    model.finish();
  } catch (cause) {
    throw new Error(`The sequence of seed ${seed} failed: BARNABAS_SEED=${seed} replays it`, { cause });
  }
  return model.counts;
}

Deno.test("ClassicGroup keeps a group's promises over random requests, expiries, refused appends and restarts", () => {
  const fixed = Deno.env.get("BARNABAS_SEED");
  const sequences = fixed ? 1 : Deno.env.get("BARNABAS_SLOW") ? 400 : 8;
  const first = fixed ? Number(fixed) : Date.now() % 1_000_000_000;
  const total: Record<string, number> = {};
  for (let i = 0; i < sequences; i++) {
    for (const [what, count] of Object.entries(runSequence(first + i))) total[what] = (total[what] ?? 0) + count;
  }
  for (const [what, count] of Object.entries(total)) assert.ok(count >= sequences, `${what}: ${count}`);
});

/** Never answers every n-th JoinGroup. */
class Silent extends ClassicGroup {
  #joins = 0;
  override join(request: JoinGroupRequest, client: CoordinatorClient, reply: Reply<JoinGroupResponse>): void {
    super.join(request, client, ++this.#joins % 20 === 0 ? () => {} : reply);
  }
}

/** Does not check the generation of heartbeats. */
class Lenient extends ClassicGroup {
  override heartbeat(request: HeartbeatRequest, client: CoordinatorClient, reply: Reply<HeartbeatResponse>): void {
    super.heartbeat({ ...request, generationId: this.generation }, client, reply);
  }
}

/** Does not check the generation of SyncGroup. */
class LenientSync extends ClassicGroup {
  override sync(request: SyncGroupRequest, client: CoordinatorClient, reply: Reply<SyncGroupResponse>): void {
    super.sync({ ...request, generationId: this.generation }, client, reply);
  }
}

/** Says that members have left. */
class Clinging extends ClassicGroup {
  override leave(request: LeaveGroupRequest, _client: CoordinatorClient, reply: Reply<LeaveGroupResponse>): void {
    reply({ errorCode: 0, members: request.members.map((member) => ({ ...member, errorCode: 0 })) });
  }
}

/** Gives some members the assignment of another. */
class Confused extends ClassicGroup {
  #syncs = 0;
  #assignment: Uint8Array = new Uint8Array(0);
  override sync(request: SyncGroupRequest, client: CoordinatorClient, reply: Reply<SyncGroupResponse>): void {
    super.sync(request, client, (answer) => {
      const { assignment } = answer;
      reply(++this.#syncs % 20 === 0 ? { ...answer, assignment: this.#assignment } : answer);
      if (answer.errorCode === 0) this.#assignment = assignment;
    });
  }
}

/** Tells some followers that they lead. */
class Divided extends ClassicGroup {
  override join(request: JoinGroupRequest, client: CoordinatorClient, reply: Reply<JoinGroupResponse>): void {
    super.join(request, client, (answer) => {
      const { errorCode, members, memberId } = answer;
      const isFollower = errorCode === 0 && members.length === 0 && this.generation % 5 === 0;
      reply(isFollower ? { ...answer, members: [{ memberId, metadata: new Uint8Array(0) }] } : answer);
    });
  }
}

for (const Planted of [Silent, Lenient, LenientSync, Clinging, Confused, Divided]) {
  Deno.test(`the random sequences find a planted bug: ${Planted.name} (canary)`, () => {
    const make = (ports: GroupPorts) => new Planted(ports, "g");
    assert.throws(() => {
      for (let seed = 1; seed <= 5; seed++) runSequence(seed, { make });
    }, /BARNABAS_SEED/);
  });
}

Deno.test("the random sequences find a log that forgets one append in fifty (canary)", () => {
  assert.throws(() => {
    for (let seed = 1; seed <= 5; seed++) runSequence(seed, { forgets: 50 });
  }, /BARNABAS_SEED/);
});

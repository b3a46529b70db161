/**
 * Random sequences of events of a consumer group, and what must always hold. A failure prints its seed; BARNABAS_SEED replays it.
 * BARNABAS_SLOW=1 runs a million steps.
 */
import assert from "node:assert/strict";
import { ConsumerGroup } from "./consumer_group.ts";
import { type Plant, runSequence } from "./consumer_model_testing.ts";
import { GROUP_ID } from "./consumer_testing.ts";

const STEPS = 1000;
const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const wanted = Deno.env.get("BARNABAS_SEED");

Deno.test("ConsumerGroup keeps its promises in random sequences of events", () => {
  if (wanted !== undefined) return runSequence(Number(wanted), { steps: STEPS });
  const sequences = isSlow ? 1_000_000 / STEPS : 5;
  for (let seed = 1; seed <= sequences; seed++) runSequence(seed, { steps: STEPS });
});

type Heartbeat = Parameters<ConsumerGroup["heartbeat"]>;

/** Planted bug: treats all partitions as given up by their owners. */
class Hasty extends ConsumerGroup {
  override heartbeat(...[request, client, reply]: Heartbeat): void {
    const topicPartitions = request.memberEpoch > 0 ? [] : request.topicPartitions;
    super.heartbeat({ ...request, topicPartitions }, client, reply);
  }
}

/** Planted bug: ignores changes of topics. */
class Deaf extends ConsumerGroup {
  override onImage(): void {}
}

/** Planted bug: leaves the assignment out of its answers. */
class Mute extends ConsumerGroup {
  override heartbeat(...[request, client, reply]: Heartbeat): void {
    super.heartbeat(request, client, (answer) => reply({ ...answer, assignment: null }));
  }
}

/** Planted bug: accepts any member epoch. */
class Lenient extends ConsumerGroup {
  override heartbeat(...[request, client, reply]: Heartbeat): void {
    const member = this.describe().members.find(({ memberId }) => memberId === request.memberId);
    const memberEpoch = request.memberEpoch > 0 && member !== undefined ? member.memberEpoch : request.memberEpoch;
    super.heartbeat({ ...request, memberEpoch }, client, (answer) => {
      reply(answer.errorCode === 0 ? { ...answer, memberEpoch: answer.memberEpoch + 1 } : answer);
    });
  }
}

/** Planted bug: starts no sessions after a restart, so that crashed members stay. */
class Sleepy extends ConsumerGroup {
  override start(): void {}
}

for (const Planted of [Hasty, Deaf, Mute, Lenient, Sleepy]) {
  Deno.test(`the random sequences find a planted bug: ${Planted.name} (canary)`, () => {
    assertFound({ make: (test) => new Planted(test.ports, GROUP_ID, test) });
  });
}

Deno.test("the random sequences find a log that loses one append in fifty (canary)", () => {
  assertFound({ forgets: 50 });
});

function assertFound(plant: Plant): void {
  assert.throws(() => {
    for (let seed = 1; seed <= 5; seed++) runSequence(seed, { steps: STEPS, plant });
  }, /BARNABAS_SEED/);
}

/**
 * Random lives of a consumer group against what must always hold. The seed is printed when one fails; BARNABAS_SEED replays one.
 * BARNABAS_SLOW=1 runs a million steps.
 */
import assert from "node:assert/strict";
import { ConsumerGroup } from "./consumer_group.ts";
import { type Plant, runSequence } from "./consumer_model_testing.ts";
import { GROUP_ID } from "./consumer_testing.ts";

const STEPS = 1000;
const isSlow = Deno.env.get("BARNABAS_SLOW") === "1";
const wanted = Deno.env.get("BARNABAS_SEED");

Deno.test("ConsumerGroup keeps its promises in random lives", () => {
  if (wanted !== undefined) return runSequence(Number(wanted), { steps: STEPS });
  const sequences = isSlow ? 1_000_000 / STEPS : 5;
  for (let seed = 1; seed <= sequences; seed++) runSequence(seed, { steps: STEPS });
});

type Heartbeat = Parameters<ConsumerGroup["heartbeat"]>;

/** Believes that everybody has let go of everything. */
class Hasty extends ConsumerGroup {
  override heartbeat(...[request, client, reply]: Heartbeat): void {
    const topicPartitions = request.memberEpoch > 0 ? [] : request.topicPartitions;
    super.heartbeat({ ...request, topicPartitions }, client, reply);
  }
}

/** Takes no notice of topics that change. */
class Deaf extends ConsumerGroup {
  override onImage(): void {}
}

/** Loses the assignment out of its answers. */
class Mute extends ConsumerGroup {
  override heartbeat(...[request, client, reply]: Heartbeat): void {
    super.heartbeat(request, client, (answer) => reply({ ...answer, assignment: null }));
  }
}

/** Gives members of any epoch what those of the right one get. */
class Lenient extends ConsumerGroup {
  override heartbeat(...[request, client, reply]: Heartbeat): void {
    const member = this.describe().members.find(({ memberId }) => memberId === request.memberId);
    const memberEpoch = request.memberEpoch > 0 && member !== undefined ? member.memberEpoch : request.memberEpoch;
    super.heartbeat({ ...request, memberEpoch }, client, (answer) => {
      reply(answer.errorCode === 0 ? { ...answer, memberEpoch: answer.memberEpoch + 1 } : answer);
    });
  }
}

/** Lets nobody start a session after a restart, so that those who are gone stay. */
class Sleepy extends ConsumerGroup {
  override start(): void {}
}

for (const Planted of [Hasty, Deaf, Mute, Lenient, Sleepy]) {
  Deno.test(`the random lives find a planted bug: ${Planted.name} (canary)`, () => {
    assertFound({ make: (test) => new Planted(test.ports, GROUP_ID, test) });
  });
}

Deno.test("the random lives find a log that forgets one append in fifty (canary)", () => {
  assertFound({ forgets: 50 });
});

function assertFound(plant: Plant): void {
  assert.throws(() => {
    for (let seed = 1; seed <= 5; seed++) runSequence(seed, { steps: STEPS, plant });
  }, /BARNABAS_SEED/);
}

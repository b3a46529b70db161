/**
 * Brokers of new partitions against Apache Kafka 4.3.1, whose own placer chooses them (clients/java/Place.java): 2,000 clusters from seeds,
 * of up to 12 brokers in up to 5 racks, some of them fenced. After the first shuffle Kafka may leave racks out (replica_placement.ts): from
 * there on, only clusters are compared in which every broker has its turn with every partition. BARNABAS_SEED=n tests another 2,000 from n on.
 */
import { deepEqual, equal } from "node:assert/strict";
import { type PlaceableBroker, placeReplicas } from "../../partitions/placement/replica_placement.ts";
import { Random } from "./random.ts";
import { answersOf } from "./kafka_tools.ts";
import { interopTest } from "./toolchain.ts";

const CLUSTERS = 2_000;

/** This broker has no cordoned log directories (KIP-1066). */
const CORDONED = /,? or (some brokers )?have all their log directories cordoned/;

/** A topic to place. */
interface Wanted {
  /** Each random integer below a bound is this number modulo the bound. */
  readonly chosen: number;
  readonly count: number;
  readonly replicationFactor: number;
  readonly brokers: readonly PlaceableBroker[];
}

function wantedOfSeed(seed: number): Wanted {
  const random = new Random(seed);
  const brokersCount = 1 + random.below(12);
  const racks = ["", "z", "a", "b", "A"].slice(0, 1 + random.below(5));
  const fencedPart = random.pick([Infinity, 4, 2]);
  const ids = Array.from({ length: 3 * brokersCount }, (_, id) => id);
  const brokers = Array.from({ length: brokersCount }, (): PlaceableBroker => ({
    nodeId: ids.splice(random.below(ids.length), 1)[0] as number,
    rack: random.pick(racks) || null,
    state: random.below(12) < 12 / fencedPart ? "fenced" : "active",
  }));
  const replicationFactor = random.oneIn(20) ? random.below(2) - 1 : 1 + random.below(brokersCount + 1);
  return { chosen: random.below(5040), count: 1 + random.below(30), replicationFactor, brokers };
}

async function placedByKafka(topics: readonly Wanted[]): Promise<string[]> {
  const lines = topics.map(({ chosen, count, replicationFactor, brokers }) => {
    const listed = brokers.map(({ nodeId, rack, state }) => `${nodeId}/${rack ?? ""}/${state}`).join(",");
    return `${chosen}\t${replicationFactor}\t${count}\t${listed}\n`;
  });
  const answers = await answersOf("Place", lines, "inherit");
  return answers.map((line) => line.replace(CORDONED, ""));
}

/** How many partitions are compared. */
function comparedCount({ count, replicationFactor, brokers }: Wanted): number {
  const unfenced = brokers.filter(({ state }) => state === "active").length;
  const isOneRack = unfenced === brokers.length && new Set(brokers.map(({ rack }) => rack)).size === 1;
  return isOneRack || replicationFactor === brokers.length ? count : Math.min(count, unfenced);
}

function first(line: string, count: number): string {
  return line.startsWith("refused") ? line : line.split(";").slice(0, count).join(";");
}

function placedHere({ chosen, brokers, ...wanted }: Wanted): string {
  const placed = placeReplicas(wanted, brokers, (bound) => chosen % bound);
  return "refused" in placed ? `refused\t${placed.refused}` : `placed\t${placed.map((ids) => ids.join(",")).join(";")}`;
}

interopTest({
  name: "new partitions get the brokers that Apache Kafka's placer gives them: 2,000 clusters from seeds",
  needs: ["java"],
  async fn() {
    const seed = Number(Deno.env.get("BARNABAS_SEED") ?? 1);
    const topics = Array.from({ length: CLUSTERS }, (_, index) => wantedOfSeed(seed + index));
    const placed = await placedByKafka(topics);
    equal(placed.length, CLUSTERS);
    let [wholeCount, differentCount] = [0, 0];
    for (const [index, topic] of topics.entries()) {
      const [here, kafka, count] = [placedHere(topic), placed[index] as string, comparedCount(topic)];
      deepEqual(first(here, count), first(kafka, count), `BARNABAS_SEED=${seed + index} ${JSON.stringify(topic)}`);
      if (count === topic.count) wholeCount++;
      else if (here !== kafka) differentCount++;
    }
    equal(wholeCount > CLUSTERS / 4, true, `${wholeCount} topics are compared as a whole`);
    equal(differentCount > 0, true, "the difference is among them");
    for (const outcome of ["placed", "must be positive", "currently fenced", "are registered"]) {
      equal(placed.some((line) => line.includes(outcome)), true, `${outcome} is among them`);
    }
  },
});

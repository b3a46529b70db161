/**
 * Requests about groups by a hand-written client: see bench/peer/wire_client.ts. Main isolate of a test.
 */
import { ByteWriter } from "../../bench/peer/wire_bytes.ts";
import { NONE, type TopicPartition, type WireClient } from "../../bench/peer/wire_client.ts";

const OFFSET_FETCH = [9, 2] as const;
const DESCRIBE_GROUPS = [15, 0] as const;

/** A committed offset; -1: none. */
export interface CommittedOffset extends TopicPartition {
  readonly offset: number;
}

/**
 * The committed offsets of a group that the coordinator can answer at the moment.
 * @param partitions null: all
 */
export async function committedOffsets(
  client: WireClient,
  group: string,
  partitions: readonly TopicPartition[] | null,
): Promise<CommittedOffset[]> {
  const body = new ByteWriter().string(group).int32(partitions === null ? -1 : partitions.length);
  for (const { topic, partition } of partitions ?? []) body.string(topic).int32(1).int32(partition);
  const answer = await client.request(OFFSET_FETCH, body.bytes);
  return answer.array((r) => {
    const topic = r.string()!;
    return r.array((p) => {
      const found = { topic, partition: p.int32(), offset: p.int64() };
      p.string();
      return p.int16() === NONE ? found : null;
    });
  }).flat().filter((found) => found !== null);
}

/** True when a group with members uses the classic protocol. DescribeGroups calls a group of the consumer protocol "Dead". */
export async function isClassicGroup(client: WireClient, group: string): Promise<boolean> {
  const answer = await client.request(DESCRIBE_GROUPS, new ByteWriter().int32(1).string(group).bytes);
  answer.int32(); // the only group
  answer.int16(); // its error code
  answer.string();
  return answer.string() !== "Dead";
}

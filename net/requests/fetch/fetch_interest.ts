/** What a client wants of one partition. Pure; runs on shards. */
import type { Offset } from "../../../storage/mod.ts";
import type { FetchRequest } from "../../protocol/messages/01_fetch.ts";

type RequestedTopic = FetchRequest["topics"][number];

/** What a client wants of one partition, and what the last response said about it. Not made by a literal: plain_constructor.ts. */
export class FetchInterest {
  /** Topic name up to v12, "" from v13 on. */
  readonly topic: string;
  /** Topic id from v13 on. */
  readonly topicId: string;
  readonly partition: number;
  fetchOffset: Offset;
  maxBytes: number;
  currentLeaderEpoch: number;
  lastFetchedEpoch: number;
  /** Where a follower's log starts. */
  logStartOffset: Offset;
  /** High watermark and log start of the last response; -1 before the first one and after an error. */
  lastHighWatermark = -1;
  lastLogStartOffset = -1;

  constructor({ topic, topicId }: RequestedTopic, wanted: RequestedTopic["partitions"][number]) {
    this.topic = topic;
    this.topicId = topicId;
    this.partition = wanted.partition;
    this.fetchOffset = wanted.fetchOffset as Offset;
    this.maxBytes = wanted.partitionMaxBytes;
    this.currentLeaderEpoch = wanted.currentLeaderEpoch;
    this.lastFetchedEpoch = wanted.lastFetchedEpoch;
    this.logStartOffset = wanted.logStartOffset as Offset;
  }
}

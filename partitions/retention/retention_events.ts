/** What a shard tells the main isolate about retention. Plain data; it crosses isolates. */

/** What the first check will remove of the partitions of a topic that a shard has. */
export interface TopicForecast {
  readonly topic: string;
  /** Partitions that lose something. */
  readonly partitions: number;
  readonly segments: number;
  readonly bytes: number;
  /** Which rules remove it. */
  readonly bySize: boolean;
  readonly byTime: boolean;
  /** `retention.ms` and `retention.bytes` of the topic. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** Wall-clock time at which the oldest of the other segments becomes too old, in ms; Infinity where none does. */
  readonly nextMs: number;
}

/** An event. */
export type RetentionEvent =
  /** What the first check will remove, of all topics that have a rule and records. Sent once, where it was asked for. */
  | { readonly kind: "forecast"; readonly topics: readonly TopicForecast[] }
  /** The first check begins. */
  | { readonly kind: "began" }
  /** Segments of a partition are removed; a sentence for the operator. */
  | { readonly kind: "removed"; readonly text: string };

/** How retention runs on a shard. */
export interface RetentionSettings {
  /** `log.initial.task.delay.ms` */
  readonly initialDelayMs: number;
  /** `log.retention.check.interval.ms` */
  readonly checkMs: number;
  /** Whether a forecast comes first, and removes nothing before one whole interval has passed. */
  readonly isAnnounced: boolean;
}

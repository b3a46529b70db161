/**
 * All families of a running broker. Main isolate.
 */
import type { Clock } from "../../storage/base/clock.ts";
import type { ShardSurvey } from "../shards/metrics/shard_surveys.ts";
import { clusterFamilies } from "./families/cluster_families.ts";
import { exporterFamilies } from "./families/exporter_families.ts";
import { groupFamilies } from "./families/group_families.ts";
import type { MetricSources } from "./families/metric_sources.ts";
import { partitionFamilies } from "./families/partition_families.ts";
import { lookAtPartitions } from "./families/partition_rows.ts";
import { RecentRates, type ShardTimes } from "./families/recent_rates.ts";
import { requestFamilies } from "./families/request_families.ts";
import { shardFamilies } from "./families/shard_families.ts";
import { socketFamilies } from "./families/socket_families.ts";
import { surveyFamilies } from "./families/survey_families.ts";
import { TopicTraffic } from "./families/topic_traffic.ts";
import { trafficFamilies } from "./families/traffic_families.ts";
import type { MetricFamily } from "./metric_family.ts";

/** Shards that take longer for an answer have said what they said last. */
const SURVEY_MS_MAX = 1000;

/** The families. */
export class BrokerMetrics {
  readonly #sources: MetricSources;
  readonly #clock: Clock;
  readonly #rates: RecentRates;
  readonly #traffic: TopicTraffic;
  readonly #beganMs: number;
  readonly #waitedBeforeUs: readonly number[];
  #busySeconds: readonly number[] = [];
  #surveys: readonly ShardSurvey[] = [];
  #isStopping = false;

  /** @param sources of the broker, which serves from now on */
  constructor(sources: MetricSources, clock: Clock) {
    const { pool: { counters }, config: { listeners } } = sources;
    this.#sources = sources;
    this.#clock = clock;
    this.#rates = new RecentRates(counters, listeners.length);
    this.#traffic = new TopicTraffic(counters);
    this.#beganMs = clock.monotonicMs();
    this.#waitedBeforeUs = counters.waitedUs();
    this.look();
  }

  /** Looks at what is told as rates; called every half second or so. */
  look(): void {
    this.#rates.look(this.#clock.monotonicMs());
  }

  /** The broker gives away what it leads. */
  stopping(): void {
    this.#isStopping = true;
  }

  /** Asks the shards, and makes the families. */
  async families(): Promise<MetricFamily[]> {
    const sources = this.#sources;
    const surveys = await this.#survey();
    const times = this.#times();
    const partitions = lookAtPartitions(sources);
    return [
      ...clusterFamilies(sources, this.#isStopping),
      ...shardFamilies(sources, times),
      ...socketFamilies(sources, times),
      ...trafficFamilies(sources, this.#traffic),
      ...requestFamilies(sources, surveys),
      ...surveyFamilies(sources, { surveys, rows: partitions.rows }),
      ...groupFamilies(sources, surveys),
      ...partitionFamilies(sources, partitions),
      ...sources.config.http?.speaksForExporter === true ? exporterFamilies(sources, partitions) : [],
    ];
  }

  async #survey(): Promise<readonly ShardSurvey[]> {
    const { promise, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(resolve, SURVEY_MS_MAX, null);
    const answered = await Promise.race([this.#sources.pool.survey(), promise]);
    clearTimeout(timer);
    if (answered !== null) this.#surveys = answered;
    return this.#surveys;
  }

  /** A shard counts a wait when it ends, at most a second after it began: so what looks busy may have been none, and is not taken back. */
  #times(): ShardTimes {
    const elapsedMs = this.#clock.monotonicMs() - this.#beganMs;
    const counted = this.#sources.pool.counters.waitedUs();
    const waitedUs = counted.map((us, shard) => us - (this.#waitedBeforeUs[shard] ?? 0));
    const busySeconds = waitedUs.map((us, shard) =>
      Math.max(this.#busySeconds[shard] ?? 0, elapsedMs / 1000 - us / 1e6)
    );
    this.#busySeconds = busySeconds;
    return { rates: this.#rates.rates(), elapsedMs, waitedUs, busySeconds };
  }
}

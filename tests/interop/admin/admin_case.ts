/** A request of an admin API that is compared with Apache Kafka. Plain data of a test. */

/** One request. */
export interface AdminCase {
  readonly name: string;
  readonly api: readonly [key: number, version: number];
  readonly request: unknown;
}

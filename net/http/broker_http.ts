/**
 * The HTTP listener of a broker: its pages through the broker's life. Main isolate, which loads it only for a broker with `--http`.
 *
 * ```
 *   starting ──► serving ──► stopping        /healthz 200  ·  what the shards do  ·  what the shards do
 *                                            /readyz  503  ·  what is led         ·  503
 *                                            /metrics of the process · all · all
 * ```
 */
import type { HttpSettings } from "../../partitions/config/broker/broker_http_settings.ts";
import { TurnWatch } from "../../partitions/shared/turn_watch.ts";
import { systemClock } from "../../storage/control.ts";
import type { Log } from "../broker/operator_log.ts";
import { BrokerMetrics } from "./broker_metrics.ts";
import { healthPage, readyPage } from "./broker_health.ts";
import type { MetricSources } from "./families/metric_sources.ts";
import { processFamilies } from "./families/process_families.ts";
import { addressOf, HttpHost } from "./http_host.ts";
import type { PageName, PageText } from "./http_messages.ts";
import { metricsPage } from "./metrics_page.ts";

/** How often the shards' turns and counts are looked at: more often than a turn may take. */
const LOOK_MS = 500;

/** The listener of a broker. */
export class BrokerHttp implements AsyncDisposable {
  readonly #settings: HttpSettings;
  readonly #host: HttpHost;
  readonly #pieces = {
    now: () => systemClock.monotonicMs(),
    pause: () => new Promise<void>((resolve) => setTimeout(resolve)),
  };
  #sources: MetricSources | null = null;
  #metricsOfBroker: BrokerMetrics | null = null;
  #turns: TurnWatch | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isStopping = false;

  /** Starts to listen. @param log for the operator */
  constructor(settings: HttpSettings, log: Pick<Log, "inform" | "warn">) {
    this.#settings = settings;
    const { host: hostname, port } = settings;
    this.#host = new HttpHost({ hostname, port, warn: log.warn, page: (name) => this.page(name) });
    this.#host.listening().then(
      (port) => log.inform(`Answering HTTP on ${addressOf(hostname, port)}: /metrics, /healthz, /readyz`),
      () => {}, // who starts the broker is told
    );
  }

  /** Settles when it listens. @returns the port @throws ListenError when the address cannot be used */
  listening(): Promise<number> {
    return this.#host.listening();
  }

  /** The broker serves from now on. */
  serve(sources: MetricSources): void {
    this.#sources = sources;
    const turns = this.#turns = new TurnWatch(sources.pool.isolates, sources.pool.turnTimes().length, systemClock);
    const metrics = this.#metricsOfBroker = new BrokerMetrics(sources, systemClock);
    this.#timer = setInterval(() => {
      turns.allTurn();
      metrics.look();
    }, LOOK_MS);
  }

  /** The broker gives away what it leads, and stops. */
  stopping(): void {
    this.#isStopping = true;
    this.#metricsOfBroker?.stopping();
  }

  /** Makes a page. */
  page(name: PageName): Promise<PageText> {
    switch (name) {
      case "health":
        return Promise.resolve(healthPage(this.#turns));
      case "ready":
        return Promise.resolve(
          this.#isStopping ? readyPage(null, "the broker stops") : readyPage(this.#sources, "the broker starts"),
        );
      case "metrics":
        return this.#metrics();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#host[Symbol.asyncDispose]();
  }

  async #metrics(): Promise<PageText> {
    const [ofProcess, ofBroker] = await Promise.all([processFamilies(), this.#metricsOfBroker?.families() ?? []]);
    return metricsPage([...ofProcess, ...ofBroker], this.#settings.names, this.#pieces);
  }
}

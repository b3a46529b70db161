/**
 * Debian's Prometheus, which scrapes brokers of a test as Strimzi's monitors do, and answers queries. Test code.
 */
import { strict as assert } from "node:assert";
import { freePort, runForBytes, RunningProcess } from "../../../bench/peer/processes.ts";

/** A broker to scrape. */
export interface ScrapedBroker {
  /** Stands for a namespace of Kubernetes: the label by which queries choose a broker. */
  readonly namespace: string;
  readonly httpPort: number;
}

/** One series of an answer. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Time and value, as text. */
  readonly value: readonly [number, string];
}

/** How often brokers are scraped: two samples make a rate. */
const SCRAPE_MS = 500;
/** Scrapes before queries are asked. */
const SCRAPES_MIN = 4;
const READY_MS_MAX = 120_000;
const POLL_MS = 100;

/** Labels that Strimzi's monitors give to what they scrape. */
export const STRIMZI_LABELS = {
  strimzi_io_cluster: "my-cluster",
  strimzi_io_name: "my-cluster-kafka",
  kubernetes_pod_name: "my-cluster-kafka-0",
  container: "kafka",
} as const;

/** A running Prometheus; disposal stops it. */
export class Prometheus implements AsyncDisposable {
  readonly #process: RunningProcess;
  readonly #url: string;

  private constructor(process: RunningProcess, url: string) {
    this.#process = process;
    this.#url = url;
  }

  /** Starts it, and waits until it has scraped each broker a few times. @param directory empty, for its data */
  static async start(directory: string, brokers: readonly ScrapedBroker[]): Promise<Prometheus> {
    const [config, port] = [`${directory}/prometheus.json`, freePort()];
    await Deno.writeTextFile(config, JSON.stringify(scrapeConfig(brokers))); // YAML includes JSON
    const process = new RunningProcess("prometheus", [
      `--config.file=${config}`,
      `--storage.tsdb.path=${directory}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ], { outputFile: `${directory}/prometheus.txt` });
    const prometheus = new Prometheus(process, `http://127.0.0.1:${port}`);
    try {
      await prometheus.#whenScraped(brokers.length);
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
    return prometheus;
  }

  /** Answers a query of PromQL. @throws Error when it is none */
  async query(query: string): Promise<Series[]> {
    const response = await fetch(`${this.#url}/api/v1/query?query=${encodeURIComponent(query)}`);
    const { status, error, data } = await response.json();
    if (status !== "success") throw new Error(`Prometheus refuses ${query}: ${error}`);
    return data.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop();
  }

  async #whenScraped(brokersCount: number): Promise<void> {
    const endMs = performance.now() + READY_MS_MAX;
    const query = `count_over_time(up[5m]) >= ${SCRAPES_MIN} and up == 1`;
    for (let last = "nothing was asked";; await new Promise((resolve) => setTimeout(resolve, POLL_MS))) {
      assert.ok(this.#process.running, `Prometheus has ended: ${this.#process.outputTail()}`);
      assert.ok(performance.now() < endMs, `Prometheus has not scraped (${last}): ${this.#process.outputTail()}`);
      try {
        if ((await this.query(query)).length === brokersCount) return;
        last = JSON.stringify(await this.query("up"));
      } catch (error) {
        last = String(error); // it does not listen yet
      }
    }
  }
}

/**
 * What promtool finds in a page of metrics.
 * @returns its complaints, one a line; none for a page without mistakes @throws Error when it cannot read the page
 */
export async function checkMetrics(page: string): Promise<string[]> {
  const { code, stdout, stderr } = await runForBytes("promtool", ["check", "metrics"], {
    stdin: new TextEncoder().encode(page),
  });
  const said = `${new TextDecoder().decode(stdout)}${stderr}`.trim();
  // 3: it has read the page, and complains of names.
  if (code !== 0 && code !== 3) throw new Error(`promtool check metrics: exit code ${code}: ${said}`);
  return said === "" ? [] : said.split("\n");
}

function scrapeConfig(brokers: readonly ScrapedBroker[]) {
  return {
    global: { scrape_interval: `${SCRAPE_MS}ms`, scrape_timeout: `${SCRAPE_MS}ms` },
    scrape_configs: [{
      job_name: "barnabas",
      static_configs: brokers.map(({ namespace, httpPort }) => ({
        targets: [`127.0.0.1:${httpPort}`],
        labels: { namespace, ...STRIMZI_LABELS },
      })),
    }],
  };
}

/** Fault proxies in front of all members of an etcd, one for each, which all brokers use. Main isolate of a test. */
import type { ClusterNode, Wiring } from "../../cluster/cluster_rig.ts";
import { type Fault, FaultProxy, type ProxiedRequest } from "../../etcd/fault_proxy.ts";

/** By how much an answer is late: more than a broker waits for one, 500 ms. */
const LATE_MS = 800;

/** The proxies. Disposal ends them. */
export class EtcdProxies implements AsyncDisposable {
  readonly #proxies = new Map<string, FaultProxy>();
  #plan: (request: ProxiedRequest) => Fault = () => "none";

  /** As the part of a `Wiring`. */
  readonly etcdOf: Wiring["etcdOf"] = (_node: ClusterNode, urls: readonly string[]) =>
    urls.map((url) => {
      const proxy = this.#proxies.get(url) ?? new FaultProxy({
        target: Number(new URL(url).port),
        plan: (request) => this.#plan(request),
        lateMs: LATE_MS,
      });
      this.#proxies.set(url, proxy);
      return proxy.url;
    });

  /** What becomes of requests from now on. */
  plan(plan: (request: ProxiedRequest) => Fault): void {
    this.#plan = plan;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.#proxies.values()) await proxy[Symbol.asyncDispose]();
  }
}

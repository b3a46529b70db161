/**
 * Nothing acknowledged is lost while the links between brokers are slow or half open, while etcd answers late, never or twice, and while it
 * stands still: then writes and reads go on, and nobody is elected. A seed chooses the order: BARNABAS_SEED replays it.
 */
import { chooseSeed } from "../random.ts";
import { interopTest } from "../toolchain.ts";
import { runFaults } from "./fault_runs.ts";
import { EtcdProxies } from "./faults/etcd_proxies.ts";
import { etcdAnswerFaults, linkFaults, silentEtcd } from "./faults/link_faults.ts";
import { Links } from "./faults/links.ts";

/** `replica.socket.timeout.ms` */
const FETCH_MS = 2000;
const SILENCE_MS = 60_000;

interopTest({
  name:
    "replication: nothing acknowledged is lost on slow and half-open links, and beside an etcd that does not answer as it should",
  needs: ["etcd"],
  slow: true,
  async fn(context) {
    await using links = new Links();
    await using proxies = new EtcdProxies();
    const faults = [...linkFaults(links, FETCH_MS), ...etcdAnswerFaults(proxies), silentEtcd(SILENCE_MS)];
    await runFaults(context, {
      faults,
      count: faults.length,
      timing: { sessionMs: 5000, heartbeatMs: 500 },
      seed: chooseSeed(),
      network: { wiring: { listen: (node) => links.listen(node), etcdOf: proxies.etcdOf } },
      overrides: { "replica.socket.timeout.ms": String(FETCH_MS) },
    });
  },
});

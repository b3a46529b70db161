/**
 * Nothing acknowledged is lost while the network is cut between brokers, from etcd and from clients, in one direction or both: the brokers that
 * hear each other go on, and a cut that costs nobody his session moves no leader. A seed chooses the order: BARNABAS_SEED replays it.
 */
import { chooseSeed } from "../random.ts";
import { interopTest } from "../toolchain.ts";
import { runFaults } from "./fault_runs.ts";
import { NamespaceNetwork } from "./faults/namespaces.ts";
import { networkFaults } from "./faults/network_faults.ts";

/** `replica.lag.time.max.ms`: a follower that is cut off leaves the in-sync set within one and a half of it. */
const LAG_MS = 2000;

interopTest({
  name: "replication: nothing acknowledged is lost while the network is cut",
  needs: ["etcd", "namespaces"],
  slow: true,
  async fn(context) {
    using network = new NamespaceNetwork();
    const faults = networkFaults(network, LAG_MS);
    await runFaults(context, {
      faults,
      count: faults.length,
      timing: { sessionMs: 3000, heartbeatMs: 300 },
      seed: chooseSeed(),
      network: { placeOf: (name) => network.placeOf(name) },
      overrides: { "replica.lag.time.max.ms": String(LAG_MS) },
    });
  },
});

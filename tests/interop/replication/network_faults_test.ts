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

const TIMING = { sessionMs: 3000, heartbeatMs: 300 };
/** The one of each commit. */
const CHOSEN = "the controller is cut off from the other brokers, not from etcd and clients";

for (const slow of [false, true]) {
  interopTest({
    name: `replication: nothing acknowledged is lost while ${slow ? "the network is cut" : CHOSEN}`,
    needs: ["etcd", "namespaces"],
    slow,
    async fn(context) {
      using network = new NamespaceNetwork();
      const faults = networkFaults(network, LAG_MS).filter(({ name }) => slow || name === CHOSEN);
      await runFaults(context, {
        faults,
        count: faults.length,
        timing: TIMING,
        seed: chooseSeed(),
        network: { placeOf: (name) => network.placeOf(name) },
        overrides: { "replica.lag.time.max.ms": String(LAG_MS) },
      });
    },
  });
}

/**
 * What a broker in a cluster uses beyond what each broker does (on_demand.ts). Main isolate.
 */
export { brokerDial } from "./channel/dialing.ts";
export { brokerChannels } from "./channel/network_channel.ts";
export { establishCluster, randomSecret } from "./membership/cluster_identity.ts";
export { Membership } from "./membership/membership.ts";
export { StoreFollower } from "../metadata/store/store_follower.ts";
export { TurnWatch } from "../shared/turn_watch.ts";
export { SharedChanges, type SharedChangesOptions } from "../metadata/shared/shared_changes.ts";
export { importSingleNode, setStoreAside } from "../metadata/shared/single_node_import.ts";

/**
 * What a broker in a cluster uses beyond what each broker does (on_demand.ts). Main isolate.
 */
export { StoreFollower } from "../metadata/store/store_follower.ts";

/**
 * A channel to another broker: `MembershipCalls` over the network, as those rely on it who judge from its failures whether a broker lives.
 * The main isolate.
 */
import type { MembershipCalls } from "./membership_calls.ts";

/**
 * Why a request has no answer.
 * - refused: nobody listens at the address, so the process is gone; it may have carried out the request before
 * - secret: the other side has another secret of the cluster; the request was not carried out
 * - lost: the connection failed, or the other side is not the broker that it should be; the request may have been carried out
 * - late: there was no answer in time; the request may be carried out yet
 */
export type ChannelFailure = "refused" | "secret" | "lost" | "late";

/** A request that has no answer. */
export class ChannelRefused extends Error {
  override readonly name = "ChannelRefused";
  readonly kind: ChannelFailure;

  /** @param kind what is known of the other side @param message what failed, and where */
  constructor(kind: ChannelFailure, message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * A channel to one address. It connects at the first request, proves that it belongs to the cluster and has the other side prove the same,
 * and connects again when a request follows a failure. A request that the failure of an open connection leaves unanswered rejects
 * with `lost`, or with `refused` if the channel cannot connect again because nobody listens. A late one ends the connection, with all that
 * wait behind it.
 */
export interface BrokerChannel extends MembershipCalls {
  /** Closes the connection. Requests without an answer, and all later ones, reject with `lost`. */
  close(): void;
}

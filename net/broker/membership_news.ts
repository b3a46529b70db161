/**
 * What a broker of a cluster tells its operator of its place in the cluster: for what it waits when it starts and stops, and when it is
 * fenced. Main isolate, which loads it only for such a broker.
 */
import type { ClusterParts } from "../../partitions/control.ts";

type Membership = ReturnType<ClusterParts["Membership"]["open"]>;

/** Who waits for less long is told nothing. */
const SLOW_MS = 5000;

/** What it tells of. */
export interface MembershipNewsParts {
  readonly membership: Pick<Membership, "state" | "obstacle" | "isRegistered" | "image">;
  warn(sentence: string): void;
  inform(sentence: string): void;
  /** Calls back once. @returns ends that, before it has happened */
  readonly after?: (ms: number, callback: () => void) => () => void;
}

/** Tells of one membership. */
export class MembershipNews implements Disposable {
  readonly #parts: MembershipNewsParts;
  #following: Disposable | null = null;
  #isFenced = false;

  /** @param parts of the broker */
  constructor(parts: MembershipNewsParts) {
    this.#parts = parts;
  }

  /** Waits for the start's end. */
  async starting<T>(work: Promise<T>): Promise<T> {
    const { membership, inform } = this.#parts;
    return await this.#ifSlow(work, () => {
      const wait = membership.isRegistered ? "to become active" : "to be registered";
      inform(`This broker waits ${wait} in its cluster: ${membership.obstacle}`);
    });
  }

  /** Tells from now on when the broker is fenced, and when it is not any more. */
  follow(): void {
    this.#following = this.#parts.membership.image.follow(() => this.#look());
  }

  /** Waits for the stop's end. @param withinMs how long it takes at most */
  async stopping<T>(work: Promise<T>, withinMs: number): Promise<T> {
    this[Symbol.dispose]();
    const { membership, inform } = this.#parts;
    return await this.#ifSlow(work, () => {
      const { controller } = membership.image;
      const who = controller === null ? "a controller" : `the controller, broker ${controller.broker},`;
      inform(
        `This broker still waits for ${who} to give others what it leads, for ${withinMs / 1000} s at most; ` +
          "another signal stops it at once",
      );
    });
  }

  [Symbol.dispose](): void {
    this.#following?.[Symbol.dispose]();
    this.#following = null;
  }

  #look(): void {
    const { membership, warn, inform } = this.#parts;
    const { state } = membership;
    if (state === "fenced" && !this.#isFenced) {
      this.#isFenced = true;
      warn(`This broker is fenced, and leads nothing until it is active again: ${membership.obstacle}`);
    } else if (state === "active" && this.#isFenced) {
      this.#isFenced = false;
      inform("This broker is active again");
    }
  }

  async #ifSlow<T>(work: Promise<T>, tell: () => void): Promise<T> {
    const { after = afterMs } = this.#parts;
    const cancel = after(SLOW_MS, tell);
    try {
      return await work;
    } finally {
      cancel();
    }
  }
}

function afterMs(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}

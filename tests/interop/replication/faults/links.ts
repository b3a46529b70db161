/**
 * Links between the brokers of a cluster, which can be slow or half open, one direction at a time. A relay on 127.0.0.1 is in front of each
 * broker's listener for the others; clients connect directly. So it needs no rights. Main isolate of a test.
 *
 * ```
 *   broker-1 ──► relay of broker-2 ──► broker-2 (INTERNAL)
 * ```
 */
import { freePort } from "../../../../bench/peer/processes.ts";
import type { ClusterNode, Wiring } from "../../cluster/cluster_rig.ts";
import { LocalServer } from "../../etcd/local_server.ts";
import { processOf } from "../../etcd/peer_relay.ts";

/** A direction. */
interface Way {
  readonly from: string;
  readonly to: string;
}

/** Chunks that wait for their time, at most: then nothing more is read. */
const WAITING_MAX = 256;
const CHUNK_BYTES = 64 * 1024;

/** The links. Disposal ends the relays. */
export class Links implements Pick<Wiring, "listen">, AsyncDisposable {
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #relays: LocalServer[] = [];
  /** By direction: how much later bytes arrive. */
  readonly #delaysMs = new Map<string, number>();
  readonly #internal = new Map<string, { readonly port: number; readonly relay: number }>();
  /** By direction: connections up to this one are forgotten. */
  readonly #forgotten = new Map<string, number>();
  #connections = 0;

  /** What `node` passes to its broker. */
  listen(node: ClusterNode): readonly string[] {
    const name = `broker-${node.nodeId}`;
    this.#nodes.set(name, node);
    let internal = this.#internal.get(name);
    if (internal === undefined) {
      const port = freePort();
      internal = { port, relay: this.#relayTo(name, port) };
      this.#internal.set(name, internal);
    }
    const clients = `PLAINTEXT://127.0.0.1:${node.port}`;
    const settings = {
      "listeners": `${clients},INTERNAL://127.0.0.1:${internal.port}`,
      "advertised.listeners": `${clients},INTERNAL://127.0.0.1:${internal.relay}`,
      "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT",
      "inter.broker.listener.name": "INTERNAL",
    };
    return Object.entries(settings).flatMap(([name, value]) => ["--override", `${name}=${value}`]);
  }

  /**
   * Connections from one broker to another are half open from now on, as behind a firewall that has forgotten them: nothing arrives
   * any more, in both directions, and none of the ends gets to know. New connections work.
   */
  forget({ from, to }: Way): void {
    this.#forgotten.set(`${from} ${to}`, this.#connections);
  }

  /** What a broker and some others send each other arrives so much later from now on. */
  slow(name: string, others: readonly string[], delayMs: number): void {
    for (const other of others.filter((other) => other !== name)) {
      this.#delaysMs.set(`${name} ${other}`, delayMs);
      this.#delaysMs.set(`${other} ${name}`, delayMs);
    }
  }

  /** Ends all delays. */
  heal(): void {
    this.#delaysMs.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#relays) await server[Symbol.asyncDispose]();
  }

  /** @param to a broker @param port where it listens @returns the relay's port */
  #relayTo(to: string, port: number): number {
    const server: LocalServer = new LocalServer(async (client) => {
      const from = this.#senderOf(client, server.port);
      const nth = ++this.#connections;
      try {
        if (from === null) return; // ended already
        const upstream = await server.connect(port);
        const [way, back] = [`${from} ${to}`, `${to} ${from}`];
        const isForgotten = () => nth <= (this.#forgotten.get(way) ?? 0);
        const close = (end: Deno.TcpConn) => server.close(end);
        await Promise.all([
          this.#copy({ source: client, target: upstream, way, isForgotten, close }),
          this.#copy({ source: upstream, target: client, way: back, isForgotten, close }),
        ]);
      } finally {
        server.close(client);
      }
    });
    this.#relays.push(server);
    return server.port;
  }

  async #copy({ source, target, way, isForgotten, close }: Copy): Promise<void> {
    const writes = new DelayedWrites(target);
    try {
      for (;;) {
        const chunk = new Uint8Array(CHUNK_BYTES);
        const count = await source.read(chunk);
        if (count === null) break;
        if (isForgotten()) continue;
        await writes.write(chunk.subarray(0, count), this.#delaysMs.get(way) ?? 0);
      }
      if (!isForgotten()) await writes.done();
    } finally {
      writes.stop();
      close(source);
      if (!isForgotten()) close(target);
    }
  }

  #senderOf(client: Deno.TcpConn, relay: number): string | null {
    const nodes = [...this.#nodes].filter(([, node]) => node.isRunning);
    const ports = { from: (client.remoteAddr as Deno.NetAddr).port, to: relay };
    const pid = processOf(ports, nodes.map(([, node]) => node.process.pid));
    return nodes.find(([, node]) => node.process.pid === pid)?.[0] ?? null;
  }
}

interface Copy {
  readonly source: Deno.TcpConn;
  readonly target: Deno.TcpConn;
  /** Its direction, a key of the delays. */
  readonly way: string;
  readonly isForgotten: () => boolean;
  readonly close: (end: Deno.TcpConn) => void;
}

/** Writes in order, each at its time. */
class DelayedWrites {
  readonly #target: Deno.TcpConn;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  readonly #sleeps = new Map<() => void, ReturnType<typeof setTimeout>>();
  #isStopped = false;

  constructor(target: Deno.TcpConn) {
    this.#target = target;
  }

  /** @returns when the next one may come */
  async write(bytes: Uint8Array, delayMs: number): Promise<void> {
    if (delayMs === 0 && this.#waiting === 0) return await writeAll(this.#target, bytes);
    const atMs = performance.now() + delayMs;
    this.#waiting++;
    const before = this.#last;
    this.#last = this.#later(before, { bytes, atMs });
    this.#last.catch(() => {}); // reported by done()
    if (this.#waiting >= WAITING_MAX) await before;
  }

  /** @returns when all are written */
  done(): Promise<void> {
    return this.#last;
  }

  /** Forgets those that wait. */
  stop(): void {
    this.#isStopped = true;
    for (const [wake, timer] of this.#sleeps) {
      clearTimeout(timer);
      wake();
    }
  }

  async #later(before: Promise<void>, { bytes, atMs }: { bytes: Uint8Array; atMs: number }): Promise<void> {
    await before;
    const leftMs = atMs - performance.now();
    if (leftMs > 0 && !this.#isStopped) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#sleeps.delete(wake);
          resolve();
        };
        this.#sleeps.set(wake, setTimeout(wake, leftMs));
      });
    }
    if (!this.#isStopped) await writeAll(this.#target, bytes);
    this.#waiting--;
  }
}

async function writeAll(target: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await target.write(bytes.subarray(at));
}

/** A hostile connection, and the count of bytes that were sent on it and not answered. Test code. */

/** Bytes of requests that were sent and not answered, over all connections of an attack. */
export class Ledger {
  /** The largest sum so far. */
  peakBytes = 0;
  #openBytes = 0;

  sent(bytes: number): void {
    this.#openBytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.#openBytes);
  }

  answered(bytes: number): void {
    this.#openBytes -= bytes;
  }
}

/** How one request ended. */
export type Ending = "answered" | "closed" | "unanswered";

const READ_BYTES = 256 * 1024;

/** The connection; disposal closes it. */
export class Attacker implements Disposable {
  readonly #connection: Deno.TcpConn;
  readonly #ledger: Ledger;
  #openBytes = 0;
  #isClosed = false;
  #received = new Uint8Array(READ_BYTES);
  #start = 0;
  #end = 0;

  private constructor(connection: Deno.TcpConn, ledger: Ledger) {
    this.#connection = connection;
    this.#ledger = ledger;
  }

  /** Connects to 127.0.0.1. */
  static async connect(port: number, ledger: Ledger): Promise<Attacker> {
    return new Attacker(await Deno.connect({ hostname: "127.0.0.1", port }), ledger);
  }

  /** Sends bytes. @returns false when the connection was closed meanwhile */
  async send(bytes: Uint8Array): Promise<boolean> {
    for (let sent = 0; sent < bytes.length;) {
      const count = await this.#connection.write(bytes.subarray(sent, sent + READ_BYTES)).catch(closedAsNull);
      if (count === null) return false;
      sent += count;
      this.#openBytes += count;
      this.#ledger.sent(count);
    }
    return true;
  }

  /** Reads a few bytes. @returns how many, null when the connection was closed */
  readSome(bytesMax: number): Promise<number | null> {
    return this.#connection.read(new Uint8Array(bytesMax)).catch(closedAsNull);
  }

  /**
   * Receives the next answer.
   * @param requestBytes size of the request that it answers
   * @returns the frame without its size, null when the connection was closed
   */
  async receive(requestBytes: number): Promise<Uint8Array | null> {
    const head = await this.#take(4);
    if (head === null) return null;
    const answer = await this.#take(new DataView(head.buffer, head.byteOffset).getInt32(0));
    if (answer !== null) this.#markAnswered(requestBytes);
    return answer;
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
    this.#markAnswered(this.#openBytes);
  }

  #markAnswered(bytes: number): void {
    this.#openBytes -= bytes;
    this.#ledger.answered(bytes);
  }

  async #take(count: number): Promise<Uint8Array | null> {
    const taken = new Uint8Array(count);
    for (let filled = 0;;) {
      const ready = this.#received.subarray(this.#start, Math.min(this.#end, this.#start + count - filled));
      taken.set(ready, filled);
      filled += ready.length;
      this.#start += ready.length;
      if (filled === count) return taken;
      const into = count - filled > READ_BYTES ? taken.subarray(filled) : this.#received;
      const read = await this.#connection.read(into).catch(closedAsNull);
      if (read === null) return null;
      if (into === this.#received) [this.#start, this.#end] = [0, read];
      else filled += read;
    }
  }
}

function closedAsNull(error: unknown): null {
  const isClosed = error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted;
  if (isClosed) return null;
  throw error;
}

/**
 * The HTTP listener as the main isolate sees it: starts its worker, makes the pages that the worker asks for, and closes it. Loaded only by
 * a broker with `--http`. A failure of the worker does not end the broker: clients of Kafka need nothing of it, and probes notice.
 */
import { ListenError, listenError } from "../accept/listening.ts";
import type { FromHttpWorker, PageName, PageText, ToHttpWorker } from "./http_messages.ts";

/** What the listener needs of the broker. */
export interface HttpHostParts {
  readonly hostname: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Makes a page. Rejections are bugs, and are reported. */
  readonly page: (name: PageName) => Promise<PageText>;
  readonly warn: (sentence: string) => void;
}

/** An address as text; those of IPv6 are in brackets. */
export function addressOf(hostname: string, port: number): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** How long the worker may take to close its connections. */
const CLOSE_MS_MAX = 2000;

/** The listener. */
export class HttpHost implements AsyncDisposable {
  readonly #parts: HttpHostParts;
  readonly #worker: Worker;
  readonly #listening = Promise.withResolvers<number>();
  readonly #closed = Promise.withResolvers<void>();

  /** Starts the worker, which listens soon. @param parts of the broker */
  constructor(parts: HttpHostParts) {
    this.#parts = parts;
    this.#listening.promise.catch(() => {}); // who awaits it is told
    this.#worker = new Worker(new URL("./server/http_worker.ts", import.meta.url), { type: "module", name: "http" });
    this.#worker.onmessage = ({ data }: MessageEvent<FromHttpWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#onFailure(event.message);
    };
    this.#post({ type: "listen", hostname: parts.hostname, port: parts.port });
  }

  /** Settles when it listens. @returns the port @throws ListenError when the address cannot be used */
  listening(): Promise<number> {
    return this.#listening.promise;
  }

  /** Closes the listener and all its connections. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#post({ type: "close" });
    // A worker that hangs ends with its connections, too.
    const timer = setTimeout(this.#closed.resolve, CLOSE_MS_MAX);
    await this.#closed.promise;
    clearTimeout(timer);
    this.#worker.terminate();
  }

  #receive(message: FromHttpWorker): void {
    switch (message.type) {
      case "listening":
        return this.#listening.resolve(message.port);
      case "refused":
        return this.#refuse(message);
      case "ask":
        return void this.#answer(message);
      case "closed":
        return this.#closed.resolve();
    }
  }

  #refuse({ name, message }: { name: string; message: string }): void {
    const { hostname, port } = this.#parts;
    const address = addressOf(hostname, port);
    const known = listenError(name, { address, portFlag: "--http", hostFlag: "barnabas.http.host" });
    this.#listening.reject(known ?? new ListenError(`Cannot listen on ${address} for HTTP: ${message}`));
  }

  async #answer({ id, name }: { id: number; name: PageName }): Promise<void> {
    let page: PageText;
    try {
      page = await this.#parts.page(name);
    } catch (error) {
      const text = `Cannot make the page of ${name}: ${error instanceof Error ? error.stack ?? error.message : error}`;
      this.#parts.warn(text);
      page = { status: 503, contentType: "text/plain; charset=utf-8", text: `${text.split("\n")[0]}\n` };
    }
    this.#post({ type: "page", id, page });
  }

  #onFailure(message: string): void {
    const sentence = `The HTTP listener has failed, and answers nothing until a restart of the broker: ${message}`;
    this.#listening.reject(new ListenError(sentence));
    this.#parts.warn(sentence);
    this.#closed.resolve();
  }

  #post(message: ToHttpWorker): void {
    this.#worker.postMessage(message);
  }
}

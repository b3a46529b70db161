/**
 * Tells systemd, or another service manager that set NOTIFY_SOCKET, where the program stands. Main isolate.
 *
 * ```
 *   start ── EXTEND_TIMEOUT_USEC while logs are recovered ──► READY=1 ──► STOPPING=1 ──► end
 *                                                                └─ RELOADING=1 ─► READY=1
 * ```
 *
 * Source: man 3 sd_notify, man 5 systemd.service. Nobody has to listen: what cannot be told is reported once, and the broker goes on.
 */
import { lineText } from "../../partitions/config/log_lines.ts";
import { DatagramSender, monotonicMicroseconds } from "../../storage/control.ts";

/** A start that has reported its progress has so much time until the next report. They come every second. */
const EXTENSION_US = 60_000_000;

/** What the manager works with. */
export interface ServiceManagerParts {
  /** Value of NOTIFY_SOCKET; empty or not set: there is no service manager. */
  readonly socket: string | undefined;
  /** Reports a sentence to the operator. */
  readonly report: (text: string) => void;
}

/** Who has started the program. */
export class ServiceManager implements Disposable {
  readonly #report: (text: string) => void;
  #sender: DatagramSender | null = null;
  #hasReported = false;
  #isStopping = false;

  /** @param parts of the program */
  constructor({ socket = "", report }: ServiceManagerParts) {
    this.#report = report;
    if (socket === "") return;
    try {
      this.#sender = new DatagramSender(socket);
    } catch (error) {
      report(`The service manager is told nothing: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** The start takes long. @param progress how far it is */
  starting(progress: string): void {
    this.#tell(`EXTEND_TIMEOUT_USEC=${EXTENSION_US}`, progress);
  }

  /** The broker serves, or has read its settings again. One that is about to stop does not become ready any more. */
  ready(status: string): void {
    if (!this.#isStopping) this.#tell("READY=1", status);
  }

  /** The broker reads its settings again, and `ready()` follows. */
  reloading(status: string): void {
    if (!this.#isStopping) this.#tell(`RELOADING=1\nMONOTONIC_USEC=${monotonicMicroseconds()}`, status);
  }

  /** The broker is about to stop. */
  stopping(status: string): void {
    this.#isStopping = true;
    this.#tell("STOPPING=1", status);
  }

  [Symbol.dispose](): void {
    this.#sender?.[Symbol.dispose]();
    this.#sender = null;
  }

  #tell(state: string, status: string): void {
    const refusal = this.#sender?.send(`${state}\nSTATUS=${lineText(status)}`) ?? null;
    if (refusal === null || this.#hasReported) return;
    this.#hasReported = true;
    this.#report(`The service manager cannot be told "${status}": ${refusal}`);
  }
}

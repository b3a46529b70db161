/**
 * The pages of the main isolate, as the worker keeps them for a moment: however many ask, the main isolate is asked for each page once in
 * that time, and once at a time. When it does not answer, that is an answer, too: the broker is not well. Worker of the HTTP listener.
 */
import type { Clock } from "../../../storage/base/clock.ts";
import type { PageName, PageText } from "../http_messages.ts";
import { type Page, textPage } from "./http_answer.ts";
import type { HttpLimits } from "./http_limits.ts";

/** Smaller bodies are sent as they are. */
const GZIP_BYTES_MIN = 1024;
/** Metrics are kept for so many times as long as they took to be made: a broker with very many partitions makes them a small part of its time. */
const KEPT_FACTOR = 10;
/** Prometheus scrapes every 15 s by default. */
const KEPT_MS_MAX = 5000;
const encoder = new TextEncoder();

/** What the pages need. */
export interface PagesParts {
  readonly limits: Pick<HttpLimits, "pageMs" | "answerMs">;
  readonly clock: Clock;
  /** Asks the main isolate, which answers by `receive()`. */
  readonly ask: (name: PageName, id: number) => void;
}

interface Asked {
  readonly name: PageName;
  readonly atMs: number;
  readonly answer: PromiseWithResolvers<Page>;
}

interface Kept {
  readonly page: Page;
  readonly untilMs: number;
}

/** The pages. */
export class Pages {
  readonly #parts: PagesParts;
  readonly #kept = new Map<PageName, Kept>();
  /** By the number of the question. */
  readonly #asked = new Map<number, Asked>();
  #lastId = 0;
  #newest = 0;

  /** @param parts what it needs */
  constructor(parts: PagesParts) {
    this.#parts = parts;
  }

  /** Number of the newest page of metrics. */
  get newest(): number {
    return this.#newest;
  }

  /** A page that is no older than its limit. Never rejects. */
  page(name: PageName): Promise<Page> {
    const { clock, ask } = this.#parts;
    const nowMs = clock.monotonicMs();
    const kept = this.#kept.get(name);
    if (kept !== undefined && nowMs < kept.untilMs) return Promise.resolve(kept.page);
    for (const asked of this.#asked.values()) if (asked.name === name) return asked.answer.promise;
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<Page>();
    this.#asked.set(id, { name, atMs: nowMs, answer });
    ask(name, id);
    return answer.promise;
  }

  /** The main isolate has answered. An answer after the time limit counts for those who ask next. */
  async receive(id: number, { status, contentType, text }: PageText): Promise<void> {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    const body = encoder.encode(text);
    const gzip = body.length < GZIP_BYTES_MIN ? null : await compressed(body);
    // Others are too small to be counted: however many there are, they take no memory worth a limit.
    const serial = asked.name === "metrics" ? ++this.#newest : 0;
    const page = { status, contentType, body, gzip, serial };
    const { limits: { pageMs }, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const tookMs = asked.name === "metrics" ? nowMs - asked.atMs : 0;
    const keptMs = Math.min(KEPT_MS_MAX, Math.max(pageMs[asked.name], KEPT_FACTOR * tookMs));
    this.#kept.set(asked.name, { page, untilMs: nowMs + keptMs });
    this.#asked.delete(id);
    asked.answer.resolve(page);
  }

  /** Answers those who have waited for too long; the worker calls it again and again. */
  sweep(): void {
    const { limits: { answerMs }, clock } = this.#parts;
    for (const [id, { name, atMs, answer }] of this.#asked) {
      if (clock.monotonicMs() - atMs < answerMs[name]) continue;
      this.#asked.delete(id);
      answer.resolve(textPage(503, `The broker's main isolate has not answered for ${answerMs[name] / 1000} s`));
    }
  }
}

async function compressed(body: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * What the main isolate and the worker of the HTTP listener tell each other. Plain data that crosses isolates.
 */

/** The pages that the main isolate makes. */
export type PageName = "metrics" | "health" | "ready";

/** A page as text. */
export interface PageText {
  readonly status: 200 | 503;
  readonly contentType: string;
  readonly text: string;
}

/** To the worker. */
export type ToHttpWorker =
  | { readonly type: "listen"; readonly hostname: string; readonly port: number }
  | { readonly type: "page"; readonly id: number; readonly page: PageText }
  /** It closes everything, and reports that it has. */
  | { readonly type: "close" };

/** From the worker. */
export type FromHttpWorker =
  | { readonly type: "listening"; readonly port: number }
  /** It cannot listen. `name` is that of Deno's error. */
  | { readonly type: "refused"; readonly name: string; readonly message: string }
  | { readonly type: "ask"; readonly id: number; readonly name: PageName }
  | { readonly type: "closed" };

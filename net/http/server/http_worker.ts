/**
 * The worker of the HTTP listener, `--http`. It exists only where that is asked for.
 *
 * Why a worker: the main isolate sends the heartbeats of a cluster, and must not be kept busy by whoever connects. Here 1,000 scrapers, slow
 * readers and garbage cost the time of a thread to which the kernel gives a tenth of a core while others want it, and the main isolate is
 * asked for a page at most twice a second, whoever asks. It answers with text, so that nothing is shared with this isolate.
 */
/// <reference lib="deno.worker" />
import { systemClock } from "../../../storage/base/clock.ts";
import { yieldToOthers } from "../../../storage/sys/scheduling.ts";
import type { FromHttpWorker, ToHttpWorker } from "../http_messages.ts";
import { HTTP_LIMITS } from "./http_limits.ts";
import { HttpServer } from "./http_server.ts";
import { Pages } from "./pages.ts";

declare const self: DedicatedWorkerGlobalScope;

const post = (message: FromHttpWorker) => self.postMessage(message);

const pages = new Pages({
  limits: HTTP_LIMITS,
  clock: systemClock,
  ask: (name, id) => post({ type: "ask", id, name }),
});
let server: HttpServer | null = null;

self.onmessage = ({ data }: MessageEvent<ToHttpWorker>) => {
  switch (data.type) {
    case "listen":
      return listen(data);
    case "page":
      return void pages.receive(data.id, data.page);
    case "close":
      server?.close();
      post({ type: "closed" });
      self.close();
  }
};

function listen({ hostname, port }: { hostname: string; port: number }): void {
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ hostname, port });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return post({ type: "refused", name, message });
  }
  yieldToOthers();
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const serving = server = new HttpServer({ listener, pages, limits: HTTP_LIMITS, clock: systemClock, pause });
  setInterval(() => serving.sweep(), HTTP_LIMITS.sweepMs);
  post({ type: "listening", port: listener.addr.port });
  // A failure is a bug: thrown here, it ends the worker, and the main isolate is told.
  serving.serve().catch((error) => setTimeout(() => reportError(error)));
}

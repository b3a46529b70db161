/**
 * Requests that end when their signal says so. Main isolate.
 *
 * Deno 2.9.6 hands `fetch` a signal of its own that depends on the caller's. When the Response is collected as garbage while its body
 * streams, an abort is lost, and a read of the body never ends (60 of 60 watches, after a collection). So here the caller's own signal is
 * listened to, and the stream is cancelled by its reader.
 */

/** The promise, or a rejection when the signal aborts first. @param abandon gets what the promise gives afterwards */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal, abandon: (late: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new DOMException("The time is up", "AbortError"));
    const settle = (how: () => void) => {
      signal.removeEventListener("abort", abort);
      how();
    };
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    promise.then(
      (value) => settle(() => signal.aborted ? abandon(value) : resolve(value)),
      (error) => settle(() => reject(error)),
    );
  });
}

/** The chunks of a stream, until it ends or the signal aborts. @throws what the stream throws */
export async function* chunksUntilAborted(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  // What the cancelled stream throws is of no interest: nothing reads it any more.
  const cancel = () => void reader.cancel().catch(() => null);
  signal.addEventListener("abort", cancel);
  if (signal.aborted) cancel();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    cancel();
  }
}

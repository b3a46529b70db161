/**
 * What is answered, and its bytes. Pure.
 */

/** A page that may be answered often: its bytes are made once. */
export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** The body compressed; null where that is not worth it. */
  readonly gzip: Uint8Array | null;
  /** Of pages of metrics: those with higher numbers are newer. 0 for all others. */
  readonly serial: number;
}

/** How an answer is given. */
export interface AnswerForm {
  readonly hasBody: boolean;
  readonly acceptsGzip: boolean;
  readonly keepsOpen: boolean;
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};
const encoder = new TextEncoder();

/** The bytes of an answer: its head, and the body that follows it. */
export function answerParts(page: Page, { hasBody, acceptsGzip, keepsOpen }: AnswerForm): Uint8Array[] {
  const isCompressed = acceptsGzip && page.gzip !== null;
  const body = isCompressed ? page.gzip : page.body;
  const head = [
    `HTTP/1.1 ${page.status} ${REASONS[page.status] ?? "Unknown"}`,
    `Content-Type: ${page.contentType}`,
    `Content-Length: ${body.length}`,
    ...isCompressed ? ["Content-Encoding: gzip"] : [],
    ...page.gzip === null ? [] : ["Vary: Accept-Encoding"],
    ...page.status === 405 ? ["Allow: GET, HEAD"] : [],
    "Cache-Control: no-store",
    `Connection: ${keepsOpen ? "keep-alive" : "close"}`,
    "\r\n",
  ].join("\r\n");
  return hasBody ? [encoder.encode(head), body] : [encoder.encode(head)];
}

/** A short text. @param serial 0 for one that every connection makes for itself */
export function textPage(status: number, text: string, serial = 0): Page {
  const contentType = "text/plain; charset=utf-8";
  return { status, contentType, body: encoder.encode(`${text}\n`), gzip: null, serial };
}

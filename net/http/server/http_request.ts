/**
 * Reads the head of an HTTP request. Only what a scraper or a probe sends is taken: GET and HEAD, without a body. Anything else is refused
 * with a status, and its connection closed: what follows in it cannot be told apart any more. Pure.
 *
 * Source: RFC 9112 (lines end with CR LF; a Host in HTTP/1.1; no obsolete folding), RFC 9110 (tokens, Accept-Encoding).
 */

/** A request. */
export interface HttpRequest {
  readonly kind: "request";
  /** HEAD: the answer has no body. */
  readonly method: "GET" | "HEAD";
  /** Without its query. */
  readonly path: string;
  readonly acceptsGzip: boolean;
  /** Whether the client may send another one in this connection. */
  readonly keepsOpen: boolean;
  /** Of the head: what follows belongs to the next request. */
  readonly bytesCount: number;
}

/** A refusal: a status and a sentence for whoever reads it. */
export interface HttpRefusal {
  readonly kind: "refused";
  readonly status: 400 | 405 | 413 | 431 | 505;
  readonly reason: string;
}

const CR = 13;
const LF = 10;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,16}$/;
const TARGET = /^[!-~]+$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)$/;
const ascii = new TextDecoder("latin1");

/**
 * Reads the first request of what has arrived.
 * @param arrived all of it @param headBytesMax a longer head is refused
 * @returns null while its head is incomplete
 */
export function readRequest(arrived: Uint8Array, headBytesMax: number): HttpRequest | HttpRefusal | null {
  const first = arrived[0];
  if (first === undefined) return null;
  // TLS and Kafka's protocol begin with other bytes. Who speaks them is not kept waiting.
  if (!isUpperCase(first)) return refused(400, "This is no HTTP request");
  const end = endOfHead(arrived);
  if (end < 0) {
    return arrived.length < headBytesMax ? null : refused(431, `A request has at most ${headBytesMax} bytes`);
  }
  const [requestLine = "", ...fields] = ascii.decode(arrived.subarray(0, end - 4)).split("\r\n");
  return requestOf(requestLine, { fields, bytesCount: end });
}

function requestOf(
  requestLine: string,
  { fields, bytesCount }: { fields: readonly string[]; bytesCount: number },
): HttpRequest | HttpRefusal {
  const [method = "", target = "", version = "", ...more] = requestLine.split(" ");
  if (!METHOD.test(method) || !TARGET.test(target) || more.length > 0) return refused(400, "This is no HTTP request");
  if (version !== "HTTP/1.1" && version !== "HTTP/1.0") return refused(505, "HTTP/1.1 is spoken here");
  const headers = readFields(fields);
  if (headers === null) return refused(400, "The headers are not HTTP's");
  if (version === "HTTP/1.1" && !headers.has("host")) return refused(400, "HTTP/1.1 asks for a Host");
  if (method !== "GET" && method !== "HEAD") return refused(405, "GET and HEAD are answered here");
  if (!target.startsWith("/")) return refused(400, "A path begins with /");
  if (headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0") {
    return refused(413, "A request has no body here");
  }
  const options = listOf(headers.get("connection"));
  return {
    kind: "request",
    method,
    path: target.split(/[?#]/)[0] as string,
    acceptsGzip: acceptsGzip(headers.get("accept-encoding")),
    keepsOpen: version === "HTTP/1.1" ? !options.includes("close") : options.includes("keep-alive"),
    bytesCount,
  };
}

/** By name in lower case; several of one name are one list. @returns null when a line is none */
function readFields(lines: readonly string[]): Map<string, string> | null {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name = "", value = ""] = FIELD.exec(line) ?? [];
    if (name === "") return null;
    const before = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), before === undefined ? value.trim() : `${before}, ${value.trim()}`);
  }
  return headers;
}

function acceptsGzip(value: string | undefined): boolean {
  return listOf(value).some((item) => {
    const [coding, ...parameters] = item.split(";").map((part) => part.trim());
    return coding === "gzip" && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}

function listOf(value: string | undefined): string[] {
  return (value ?? "").split(",").map((item) => item.trim().toLowerCase());
}

/** @returns the position after the empty line, -1 without one */
function endOfHead(arrived: Uint8Array): number {
  for (let at = arrived.indexOf(LF); at >= 0; at = arrived.indexOf(LF, at + 1)) {
    if (at >= 3 && arrived[at - 1] === CR && arrived[at - 2] === LF && arrived[at - 3] === CR) return at + 1;
  }
  return -1;
}

function isUpperCase(byte: number): boolean {
  return byte >= 65 && byte <= 90;
}

function refused(status: HttpRefusal["status"], reason: string): HttpRefusal {
  return { kind: "refused", status, reason };
}

/**
 * Failures of requests to etcd, told apart by what they say about the request. Pure; the main isolate runs it.
 *
 *   unsent    it did not reach etcd: no connection, or a member without a leader, which refuses before it does anything
 *   unknown   it may have been carried out, or may be yet: no answer in time, a broken connection, an etcd that does not know either
 *   refused   etcd has answered that it did not carry it out; for the exception see `isOutOfSpace`
 *
 * Source: etcd's rpctypes/error.go; gRPC's status codes.
 */
import { MetadataRefusedError } from "../store/store.ts";

/** What is known of a request that failed. */
export type FailureKind = "unsent" | "unknown" | "refused";

/** gRPC's codes that the store tells apart. */
export const grpcCode = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** Codes beside gRPC's. */
export const ownCode = { UNANSWERED: -1, ANSWER_TOO_LARGE: -2 } as const;

/** A request has failed. The message is a sentence about etcd, to stand behind "Cannot … : ". */
export class GatewayFailure extends Error {
  override name = "GatewayFailure";
  readonly kind: FailureKind;
  /** gRPC's code, or one of `ownCode`. */
  readonly code: number;

  /** @param message what etcd, or the connection to it, says */
  constructor(kind: FailureKind, message: string, code: number = ownCode.UNANSWERED) {
    super(message);
    this.kind = kind;
    this.code = code;
  }

  /**
   * Whether etcd is above its quota. The transaction with which it passes the quota is carried out, and answered with this error all the
   * same (quotaApplierV3.Txn).
   */
  get isOutOfSpace(): boolean {
    return this.code === grpcCode.RESOURCE_EXHAUSTED && this.message.includes("space exceeded");
  }

  /** Whether the revision that was asked for is compacted. */
  get isCompacted(): boolean {
    return this.code === grpcCode.OUT_OF_RANGE && this.message.includes("compacted");
  }

  /** Whether the answer is larger than what the store reads. */
  get isTooLarge(): boolean {
    return this.code === ownCode.ANSWER_TOO_LARGE;
  }

  /** Whether a lease does not exist. */
  get isLeaseGone(): boolean {
    return this.code === grpcCode.NOT_FOUND && this.message.includes("lease not found");
  }

  /** Whether the token of the user has ended, or there is none. */
  get needsLogin(): boolean {
    return this.code === grpcCode.UNAUTHENTICATED ||
      (this.code === grpcCode.INVALID_ARGUMENT && /user name is empty|revision in header is old/.test(this.message));
  }
}

/** Codes with which etcd says that it has not carried a request out. */
const refusals: ReadonlySet<number> = new Set([
  grpcCode.INVALID_ARGUMENT,
  grpcCode.NOT_FOUND,
  grpcCode.PERMISSION_DENIED,
  grpcCode.RESOURCE_EXHAUSTED,
  grpcCode.FAILED_PRECONDITION,
  grpcCode.OUT_OF_RANGE,
  grpcCode.UNIMPLEMENTED,
  grpcCode.UNAUTHENTICATED,
]);

/**
 * The failure that an answer other than 200 says.
 * @param body as it came @param status of HTTP
 */
export function answeredFailure(status: number, body: string): GatewayFailure {
  const { code, message } = errorIn(body);
  if (body.startsWith("CommonName of client")) {
    const why = "with users, etcd's gateway takes only client certificates without a common name (CN)";
    return new GatewayFailure("refused", why, grpcCode.PERMISSION_DENIED);
  }
  if (message === "") {
    const text = body.trim().slice(0, 300);
    return new GatewayFailure("unknown", `it answers HTTP ${status}${text === "" ? "" : ` (${text})`}`, code);
  }
  // With the header "hasleader", which every request carries, a member refuses before it does anything.
  if (message === "etcdserver: no leader") return new GatewayFailure("unsent", "it has no leader", code);
  return new GatewayFailure(refusals.has(code) ? "refused" : "unknown", message, code);
}

/** Code and message of an error: {code, message} of a request, {error: {grpc_code or code, message}} in a stream. */
function errorIn(body: string): { code: number; message: string } {
  const nothing = { code: ownCode.UNANSWERED, message: "" };
  try {
    const parsed = JSON.parse(body) as Record<string, unknown> | null;
    const inner = (typeof parsed?.error === "object" && parsed.error !== null ? parsed.error : parsed) as typeof parsed;
    const code = inner?.grpc_code ?? inner?.code;
    const message = inner?.message ?? inner?.error;
    if (typeof message !== "string") return nothing;
    return { code: typeof code === "number" ? code : ownCode.UNANSWERED, message: message.slice(0, 300) };
  } catch (error) {
    if (error instanceof SyntaxError) return nothing;
    throw error;
  }
}

/** What Deno 2.9.6 says of a connection that was not made: of TCP, and of the server's certificate. */
const NOT_CONNECTED = /client error \(Connect\)/;
/** And when the server has refused the client's certificate: TLS 1.3 reports it after the client has sent, but nothing was read. */
const NOT_ADMITTED =
  /received fatal alert: (?:BadCertificate|CertificateRequired|CertificateUnknown|CertificateExpired|CertificateRevoked|UnknownCA|AccessDenied)/;

/** The failure of a request that got no answer. @param error what `fetch` or the body threw */
export function connectionFailure(error: unknown, isTimeout: boolean): GatewayFailure {
  if (isTimeout) return new GatewayFailure("unknown", "it does not answer in time");
  // `fetch` says no more than that it has failed; the reason is its cause.
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = (reason instanceof Error ? reason.message : String(reason)).slice(0, 300);
  if (NOT_ADMITTED.test(text)) {
    return new GatewayFailure("unsent", `it does not accept the broker's certificate (${text})`);
  }
  // Any other words count as unknown, which is always safe.
  return new GatewayFailure(NOT_CONNECTED.test(text) ? "unsent" : "unknown", `the connection fails (${text})`);
}

/** The refusal that a failure becomes. @param doing what was refused: "write metadata to" */
export function refusedBy(failure: GatewayFailure, doing: string): MetadataRefusedError {
  const remedy = failure.isOutOfSpace ? "; compact and defragment etcd, then disarm its alarm" : "";
  return new MetadataRefusedError(`Cannot ${doing} etcd: ${failure.message}${remedy}`, { cause: failure });
}

/** Turns a failure of a request into a refusal. */
export async function refusing<T>(request: Promise<T>, doing: string): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw error instanceof GatewayFailure ? refusedBy(error, doing) : error;
  }
}

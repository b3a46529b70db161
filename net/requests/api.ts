/**
 * How an API is declared: one row beside its handler, from which everything else derives. The router, ApiVersions and the table of
 * README.md read the list of all rows (net/handlers/mod.ts). `deno task generate` writes that list from the files of the folder.
 * Runs on shards.
 */
import { assert } from "../../storage/base/assert.ts";
import { type Api, REQUEST_ELEMENTS_MAX, type Versions } from "../protocol/api.ts";
import type { Message } from "../protocol/schema.ts";
import type { Permission } from "./authorization.ts";
import type { RequestExchange } from "./exchange.ts";
import type { ShardServices } from "./handler.ts";
import type { QuotaKind } from "./quotas/quotas.ts";

/** Handles a request of an API on a shard. */
export type Handler<Request, Response> = (
  request: Request,
  exchange: RequestExchange<Response>,
  services: ShardServices,
) => void;

/** A handler of any API. The caller has looked up the API, so the decoded request has the handler's type. */
export type AnyHandler = Handler<never, unknown>;

/** An API that this broker answers. */
export interface ServedApi extends Api {
  /** Makes the handler of one shard. */
  readonly handlerOf: (services: ShardServices) => AnyHandler;
  /** Permission that the request needs as a whole; absent when the handler checks what the request names. */
  readonly needs?: Permission<never, unknown>;
  /** Quota that is charged with the bytes of its requests, in addition to the quota of time. */
  readonly bytesQuota?: QuotaKind;
  /** Whether its requests are exempt from the quota of time. */
  readonly isTimeFree: boolean;
  /** Answers a version that is not served; absent when such a request closes its connection. */
  readonly handleUnserved?: (exchange: RequestExchange) => void;
}

/** The row of an API, with `handle`, or with `handlerOf` where a handler keeps state for its shard. */
export type ApiRow<Request, Response> =
  & {
    readonly key: number;
    readonly name: string;
    readonly served: Versions;
    /** Defaults to the served versions; null for an API between brokers. */
    readonly advertised?: Versions | null;
    readonly request: Message<Request, unknown>;
    readonly response: Message<unknown, Response>;
    /** Defaults to `REQUEST_ELEMENTS_MAX`. */
    readonly elementsMax?: number;
    /** Defaults to false: the handler may change something. */
    readonly isReadOnly?: boolean;
    readonly needs?: Permission<Request, Response>;
    readonly bytesQuota?: QuotaKind;
    /** Defaults to false. */
    readonly isTimeFree?: boolean;
    readonly handleUnserved?: (exchange: RequestExchange) => void;
  }
  & ({ readonly handle: Handler<Request, Response> } | {
    readonly handlerOf: (services: ShardServices) => Handler<Request, Response>;
  });

/** Declares an API. @param row whose messages determine the types of the handler's request and response */
export function api<Request, Response>(row: ApiRow<Request, Response>): ServedApi {
  assert(row.request.apiKey === row.key && row.response.apiKey === row.key, "a row has the messages of its key");
  return {
    key: row.key,
    name: row.name,
    served: row.served,
    advertised: row.advertised === undefined ? row.served : row.advertised,
    request: row.request,
    response: row.response,
    elementsMax: row.elementsMax ?? REQUEST_ELEMENTS_MAX,
    isReadOnly: row.isReadOnly ?? false,
    handlerOf: "handle" in row ? () => row.handle as AnyHandler : row.handlerOf as ServedApi["handlerOf"],
    needs: row.needs,
    bytesQuota: row.bytesQuota,
    isTimeFree: row.isTimeFree ?? false,
    handleUnserved: row.handleUnserved,
  };
}

/**
 * How an API is declared: one row beside its handler, from which everything else derives. The router, ApiVersions and the table of
 * README.md read the list of all rows (net/handlers/mod.ts), which `deno task generate` writes from the files of that folder.
 * Runs on shards.
 */
import { assert } from "../../storage/base/assert.ts";
import { type Api, REQUEST_ELEMENTS_MAX, type Versions } from "../protocol/api.ts";
import type { Message } from "../protocol/schema.ts";
import type { Permission } from "./authorization.ts";
import type { RequestExchange } from "./exchange.ts";
import type { ShardServices } from "./handler.ts";
import type { QuotaKind } from "./quotas.ts";

/** What a shard does with a request of an API. */
export type Handler<Request, Response> = (
  request: Request,
  exchange: RequestExchange<Response>,
  services: ShardServices,
) => void;

/** A handler whose API the caller has looked up: what it decoded is what the handler takes. */
export type AnyHandler = Handler<never, unknown>;

/** An API that this broker answers. */
export interface ServedApi extends Api {
  /** Makes the handler of one shard. */
  readonly handlerOf: (services: ShardServices) => AnyHandler;
  /** What a client has to be allowed to do; absent: the handler asks about what the request names. */
  readonly needs?: Permission<never, unknown>;
  /** What the bytes of its requests are counted as, beside one request. */
  readonly bytesQuota?: QuotaKind;
  /** Answers a version that is not served; absent: such a request closes its connection. */
  readonly handleUnserved?: (exchange: RequestExchange) => void;
}

/** The row of an API, with `handle`, or with `handlerOf` where a handler keeps something for its shard. */
export type ApiRow<Request, Response> =
  & {
    readonly key: number;
    readonly name: string;
    readonly served: Versions;
    /** Absent: what is served. */
    readonly advertised?: Versions;
    readonly request: Message<Request, unknown>;
    readonly response: Message<unknown, Response>;
    /** Absent: `REQUEST_ELEMENTS_MAX`. */
    readonly elementsMax?: number;
    /** Absent: the handler may change something. */
    readonly isReadOnly?: boolean;
    readonly needs?: Permission<Request, Response>;
    readonly bytesQuota?: QuotaKind;
    readonly handleUnserved?: (exchange: RequestExchange) => void;
  }
  & ({ readonly handle: Handler<Request, Response> } | {
    readonly handlerOf: (services: ShardServices) => Handler<Request, Response>;
  });

/** Declares an API. @param row in which the messages say what the handler takes and answers */
export function api<Request, Response>(row: ApiRow<Request, Response>): ServedApi {
  assert(row.request.apiKey === row.key && row.response.apiKey === row.key, "a row has the messages of its key");
  return {
    key: row.key,
    name: row.name,
    served: row.served,
    advertised: row.advertised ?? row.served,
    request: row.request,
    response: row.response,
    elementsMax: row.elementsMax ?? REQUEST_ELEMENTS_MAX,
    isReadOnly: row.isReadOnly ?? false,
    handlerOf: "handle" in row ? () => row.handle as AnyHandler : row.handlerOf as ServedApi["handlerOf"],
    needs: row.needs,
    bytesQuota: row.bytesQuota,
    handleUnserved: row.handleUnserved,
  };
}

/**
 * Routes a whole request to its handler: reads the header, finds the API, decodes the body and calls the handler. Bytes that cannot be
 * parsed close their connection and nothing else. A version that is not served is answered as by Kafka: ApiVersions in
 * its v0 form (KIP-511), any other by closing. A handler that throws costs its connection alone when it changes nothing. Runs on shards.
 */
import type { NativeMemory } from "../../storage/mod.ts";
import type { Connection } from "../reactor/connection.ts";
import { authorize, type Permission } from "./authorization.ts";
import type { ConnectionContext } from "./connection_context.ts";
import type { ShardServices } from "./handler.ts";
import type { AnyHandler, ServedApi } from "./api.ts";
import { decodeRequestHeader, type RequestHeader } from "../protocol/headers.ts";
import { Reader } from "../protocol/reader.ts";
import { weightOf } from "./request_weights.ts";

/** An API and this shard's handler for it. */
interface Route {
  readonly api: ServedApi;
  readonly handle: AnyHandler;
}

/** The router of one shard. */
export class Router {
  /** Routes by API key. */
  readonly #routes: (Route | undefined)[] = [];
  readonly #requestOf = (apiKey: number) => this.#routes[apiKey]?.api.request;
  readonly #services: ShardServices;
  readonly #memory: NativeMemory;
  readonly #reader: Reader;

  /** @param apis that are served @param services for their handlers, with the arena that holds requests */
  constructor(apis: readonly ServedApi[], services: ShardServices) {
    for (const api of apis) this.#routes[api.key] = { api, handle: api.handlerOf(services) };
    this.#services = services;
    this.#memory = services.arena;
    this.#reader = new Reader(this.#memory.bytes);
  }

  /**
   * Handles the request at these bytes of the arena.
   * @returns 0 when it was handled, or how many elements need room before it can be handled
   */
  route(connection: Connection, start: number, length: number): number {
    const reader = this.#reader;
    reader.reset(this.#memory.bytes, start, start + length);
    const header = decodeRequestHeader(reader, this.#requestOf);
    if (reader.failure !== null) return refuse(connection, `malformed request header: ${reader.failure}`);
    const route = this.#routes[header.apiKey];
    if (route === undefined) return refuse(connection, `API key ${header.apiKey} is not served`);
    connection.context.clientId = header.clientId ?? "";
    const { api } = route;
    const [oldest, newest] = api.served;
    if (header.apiVersion >= oldest && header.apiVersion <= newest) {
      return this.#decode(connection, route, { header, length });
    }
    if (api.handleUnserved === undefined) {
      return refuse(connection, `${api.name} v${header.apiVersion} is not served (${oldest} to ${newest} are)`);
    }
    const exchange = connection.pipeline.push(header, api);
    api.handleUnserved(exchange);
    exchange.handled();
    return 0;
  }

  #decode(
    connection: Connection,
    { api, handle }: Route,
    { header, length }: { header: RequestHeader; length: number },
  ): number {
    const reader = this.#reader;
    const { quotas } = connection.context;
    const isMeasured = quotas.measuresTime && !api.isTimeFree;
    const beganUs = isMeasured ? quotas.nowUs() : 0;
    const room = connection.pipeline.totals.weights.elementsRoom;
    reader.limitElements(Math.min(api.elementsMax, room));
    const request = api.request.decode(reader, header.apiVersion);
    if (reader.hasTooManyElements && room < api.elementsMax) return Math.min(api.elementsMax, 2 * room);
    if (reader.failure !== null) return refuse(connection, `malformed ${api.name} request: ${reader.failure}`);
    const exchange = connection.pipeline.push(header, api);
    connection.pipeline.weigh(exchange, weightOf(reader.elementsCount));
    if (isMeasured) exchange.measure(beganUs);
    if (api.bytesQuota !== undefined) exchange.charge(api.bytesQuota, length);
    try {
      const { needs } = api;
      if (needs === undefined || isAllowed(needs, request as never, connection.context)) {
        handle(request as never, exchange, this.#services);
      } else exchange.respond(needs.refuse(request as never, header.apiVersion));
    } catch (error) {
      exchange.fail(error);
    }
    exchange.handled();
    if (isMeasured) exchange.endMeasuring();
    return 0;
  }
}

function isAllowed(needs: Permission<never, unknown>, request: never, context: ConnectionContext): boolean {
  return authorize(context, needs.operation, needs.resourceOf(request));
}

function refuse(connection: Connection, reason: string): 0 {
  connection.close(reason);
  return 0;
}

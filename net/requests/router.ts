/**
 * From a whole request to its handler: reads the header, finds the API, decodes the body and calls. What cannot be
 * parsed closes that connection and nothing else; a version that is not served is answered as Kafka does: ApiVersions in
 * its v0 form (KIP-511), any other by closing. A handler that throws costs its connection alone, where it changes nothing. Runs on shards.
 */
import type { NativeMemory } from "../../storage/mod.ts";
import type { Connection } from "../reactor/connection.ts";
import type { RequestExchange } from "./exchange.ts";
import type { ShardServices } from "./handler.ts";
import { type Api, apiByKey } from "../protocol/api_table.ts";
import { decodeRequestHeader } from "../protocol/headers.ts";
import { Reader } from "../protocol/reader.ts";
import { weightOf } from "./request_weights.ts";

/** A handler as the router sees it: the request's type belongs to the API's row. */
export type AnyHandler = (request: never, exchange: RequestExchange, services: ShardServices) => void;

/** Answers ApiVersions of a version that is not served. */
export type VersionFallback = (exchange: RequestExchange) => void;

const API_VERSIONS_KEY = 18;

/** The router of one shard. */
export class Router {
  readonly #handlers: ReadonlyMap<number, AnyHandler>;
  readonly #fallback: VersionFallback;
  readonly #services: ShardServices;
  readonly #memory: NativeMemory;
  readonly #reader: Reader;

  /**
   * @param handlers by API key @param fallback for ApiVersions of an unknown version
   * @param shard what handlers may use, and the arena that requests lie in
   */
  constructor(
    handlers: ReadonlyMap<number, AnyHandler>,
    fallback: VersionFallback,
    shard: { services: ShardServices; memory: NativeMemory },
  ) {
    this.#handlers = handlers;
    this.#fallback = fallback;
    this.#services = shard.services;
    this.#memory = shard.memory;
    this.#reader = new Reader(shard.memory.bytes);
  }

  /**
   * Handles the request at these bytes of the arena.
   * @returns 0, or how many elements there has to be room for before it can be handled
   */
  route(connection: Connection, start: number, length: number): number {
    const reader = this.#reader;
    reader.reset(this.#memory.bytes, start, start + length);
    const header = decodeRequestHeader(reader);
    if (reader.failure !== null) return refuse(connection, `malformed request header: ${reader.failure}`);
    const row = apiByKey(header.apiKey);
    const handler = this.#handlers.get(header.apiKey);
    if (row === undefined || handler === undefined) return refuse(connection, `API key ${header.apiKey} is not served`);
    connection.context.clientId = header.clientId ?? "";
    const [oldest, newest] = row.served;
    if (header.apiVersion < oldest || header.apiVersion > newest) {
      if (header.apiKey === API_VERSIONS_KEY) {
        this.#fallback(connection.pipeline.push(header, row));
        return 0;
      }
      return refuse(connection, `${row.name} v${header.apiVersion} is not served (${oldest} to ${newest} are)`);
    }
    return this.#decode(connection, row, handler, header);
  }

  #decode(
    connection: Connection,
    row: Api,
    handler: AnyHandler,
    header: Parameters<Connection["pipeline"]["push"]>[0],
  ): number {
    const reader = this.#reader;
    const room = connection.pipeline.totals.weights.elementsRoom;
    reader.limitElements(Math.min(row.elementsMax, room));
    const request = row.request.decode(reader, header.apiVersion);
    if (reader.hasTooManyElements && room < row.elementsMax) return Math.min(row.elementsMax, 2 * room);
    if (reader.failure !== null) return refuse(connection, `malformed ${row.name} request: ${reader.failure}`);
    const exchange = connection.pipeline.push(header, row);
    connection.pipeline.weigh(exchange, weightOf(reader.elementsCount));
    try {
      handler(request as never, exchange, this.#services);
    } catch (error) {
      exchange.fail(error);
    }
    return 0;
  }
}

function refuse(connection: Connection, reason: string): 0 {
  connection.close(reason);
  return 0;
}

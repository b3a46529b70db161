/**
 * Request and response headers. Any isolate.
 *
 *     request v1   apiKey int16 | apiVersion int16 | correlationId int32 | clientId nullable string (never compact)
 *     request v2   the same | tagged fields
 *     response v0  correlationId int32
 *     response v1  correlationId int32 | tagged fields
 *
 * The later header goes with the flexible versions of an API (KIP-482), except that the response header of ApiVersions is
 * always v0: a client must be able to read the answer to a version that the broker does not know (KIP-511). Request
 * header v0, without a client id, belonged to ControlledShutdown v0 alone and left Kafka with it.
 */
import { apiByKey } from "./api_table.ts";
import type { Reader } from "./reader.ts";
import { includes } from "./schema.ts";
import type { Writer } from "./writer.ts";

/** What stands before every request. */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

const API_VERSIONS_KEY = 18;

/**
 * Decodes a request header and leaves the reader at the body. An API that is not in the table is read as v1: its key is all
 * that the caller will use.
 * @param reader stands at the header; its failure says that the bytes were refused
 */
export function decodeRequestHeader(reader: Reader): RequestHeader {
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const clientId = reader.nullableString();
  if (isFlexible(apiKey, apiVersion)) reader.skipTags();
  return { apiKey, apiVersion, correlationId, clientId };
}

/** Encodes a request header, for clients. */
export function encodeRequestHeader(writer: Writer, header: RequestHeader): void {
  writer.int16(header.apiKey);
  writer.int16(header.apiVersion);
  writer.int32(header.correlationId);
  writer.nullableString(header.clientId);
  if (isFlexible(header.apiKey, header.apiVersion)) writer.unsignedVarint(0);
}

/** What decides the header of an answer: the version it is encoded in, which for an unknown ApiVersions version is 0. */
export type Answered = Pick<RequestHeader, "apiKey" | "apiVersion" | "correlationId">;

/** Encodes the header of the answer to a request. */
export function encodeResponseHeader(writer: Writer, request: Answered): void {
  writer.int32(request.correlationId);
  if (hasResponseTags(request)) writer.unsignedVarint(0);
}

/**
 * Decodes the header of an answer, for clients.
 * @param request what it should answer
 * @returns the correlation id
 */
export function decodeResponseHeader(reader: Reader, request: Pick<RequestHeader, "apiKey" | "apiVersion">): number {
  const correlationId = reader.int32();
  if (hasResponseTags(request)) reader.skipTags();
  return correlationId;
}

function hasResponseTags(request: Pick<RequestHeader, "apiKey" | "apiVersion">): boolean {
  return request.apiKey !== API_VERSIONS_KEY && isFlexible(request.apiKey, request.apiVersion);
}

function isFlexible(apiKey: number, apiVersion: number): boolean {
  const api = apiByKey(apiKey);
  return api !== undefined && includes(api.request.flexible, apiVersion);
}

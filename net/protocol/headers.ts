/**
 * Request and response headers. Any isolate.
 *
 *     request v1   apiKey int16 | apiVersion int16 | correlationId int32 | clientId nullable string (never compact)
 *     request v2   the same | tagged fields
 *     response v0  correlationId int32
 *     response v1  correlationId int32 | tagged fields
 *
 * The later header belongs to the flexible versions of an API (KIP-482). The response header of ApiVersions is an exception and
 * always v0: a client must be able to read the answer to a version that the broker does not know (KIP-511). Request
 * header v0, without a client id, was used by ControlledShutdown v0 alone, and Kafka removed both.
 */
import type { Reader } from "./reader.ts";
import { includes, type Message } from "./schema.ts";
import type { Writer } from "./writer.ts";

/** The header of a request. */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

const API_VERSIONS_KEY = 18;

/** What decides the form of a header; either message of the API has it. */
export type HeaderOf = Pick<Message, "apiKey" | "flexible">;

/**
 * Decodes a request header and leaves the reader at the body. An unknown API is read as v1, because the caller uses its key only.
 * @param reader stands at the header; its failure says that the bytes were refused
 * @param messageOf finds a message of an API by its key
 */
export function decodeRequestHeader(
  reader: Reader,
  messageOf: (apiKey: number) => HeaderOf | undefined,
): RequestHeader {
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const clientId = reader.nullableString();
  const message = messageOf(apiKey);
  if (message !== undefined && includes(message.flexible, apiVersion)) reader.skipTags();
  return { apiKey, apiVersion, correlationId, clientId };
}

/** Encodes a request header, for clients. @param message of the API */
export function encodeRequestHeader(writer: Writer, message: HeaderOf, header: Omit<RequestHeader, "apiKey">): void {
  writer.int16(message.apiKey);
  writer.int16(header.apiVersion);
  writer.int32(header.correlationId);
  writer.nullableString(header.clientId);
  if (includes(message.flexible, header.apiVersion)) writer.unsignedVarint(0);
}

/** What decides the header of an answer. The version is the one that the answer is encoded in: 0 for an unknown ApiVersions version. */
export type Answered = Pick<RequestHeader, "apiVersion" | "correlationId">;

/** Encodes the header of the answer to a request. @param message of the API */
export function encodeResponseHeader(writer: Writer, message: HeaderOf, answered: Answered): void {
  writer.int32(answered.correlationId);
  if (hasResponseTags(message, answered.apiVersion)) writer.unsignedVarint(0);
}

/**
 * Decodes the header of an answer, for clients.
 * @param message of the API @param apiVersion of the client's request
 * @returns the correlation id
 */
export function decodeResponseHeader(reader: Reader, message: HeaderOf, apiVersion: number): number {
  const correlationId = reader.int32();
  if (hasResponseTags(message, apiVersion)) reader.skipTags();
  return correlationId;
}

function hasResponseTags({ apiKey, flexible }: HeaderOf, apiVersion: number): boolean {
  return apiKey !== API_VERSIONS_KEY && includes(flexible, apiVersion);
}

/**
 * AlterClientQuotas and AlterUserScramCredentials requests as bytes. They wait on the main isolate until earlier changes are done; as
 * objects, many large requests would fill its heap meanwhile. Any isolate.
 *
 * The bytes are requests of the version below. They pass between isolates of one process and are never stored.
 */
import {
  type AlterClientQuotasRequest,
  alterClientQuotasRequest,
} from "../../../net/protocol/messages/49_alter_client_quotas.ts";
import {
  type AlterUserScramCredentialsRequest,
  alterUserScramCredentialsRequest,
} from "../../../net/protocol/messages/51_alter_user_scram_credentials.ts";
import { Reader } from "../../../net/protocol/reader.ts";
import type { Message } from "../../../net/protocol/schema.ts";
import { Writer } from "../../../net/protocol/writer.ts";
import { assert } from "../../../storage/base/assert.ts";

const QUOTAS_VERSION = 1;
const USERS_VERSION = 0;

/** A packed request. */
export type Packed = Uint8Array<ArrayBuffer>;

/** Packs changes of quotas. @param request decoded, so that it can be encoded */
export function packQuotas(request: AlterClientQuotasRequest): Packed {
  return pack(alterClientQuotasRequest, QUOTAS_VERSION, request);
}

/** Unpacks changes of quotas. */
export function unpackQuotas(packed: Packed): AlterClientQuotasRequest {
  return unpack(alterClientQuotasRequest, QUOTAS_VERSION, packed);
}

/** Packs changes of credentials. @param request decoded, so that it can be encoded */
export function packUsers(request: AlterUserScramCredentialsRequest): Packed {
  return pack(alterUserScramCredentialsRequest, USERS_VERSION, request);
}

/** Unpacks changes of credentials. */
export function unpackUsers(packed: Packed): AlterUserScramCredentialsRequest {
  return unpack(alterUserScramCredentialsRequest, USERS_VERSION, packed);
}

function pack<Request>(message: Message<unknown, Request>, version: number, request: Request): Packed {
  const writer = new Writer();
  message.encode(writer, version, request);
  return new Uint8Array(writer.bytes.subarray(0, writer.position));
}

function unpack<Request>(message: Message<Request>, version: number, packed: Packed): Request {
  const reader = new Reader(packed);
  const request = message.decode(reader, version);
  assert(reader.failure === null, "packed requests are whole");
  return request;
}

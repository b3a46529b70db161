/**
 * The changes of an AlterConfigs or IncrementalAlterConfigs request as bytes. They wait on the main isolate until earlier changes are
 * done; as objects, many requests with thousands of configs would fill its heap meanwhile. Any isolate.
 *
 * The bytes are an IncrementalAlterConfigs request of PACKED_VERSION. They pass between isolates of one process and are never stored.
 */
import {
  type IncrementalAlterConfigsPacked,
  incrementalAlterConfigsRequest,
} from "../../../net/protocol/messages/44_incremental_alter_configs.ts";
import { Reader } from "../../../net/protocol/reader.ts";
import { Writer } from "../../../net/protocol/writer.ts";
import { assert } from "../../../storage/base/assert.ts";
import type { ConfigAlteration } from "./config_operations.ts";

const PACKED_VERSION = 1;

/** The packed changes. */
export interface PackedAlterations {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** AlterConfigs: configs that are not named are removed. */
  readonly replacesAll: boolean;
  readonly validateOnly: boolean;
}

/** Packs changes. @param request its strings were decoded from a request, so that they can be encoded */
export function packAlterations(request: IncrementalAlterConfigsPacked, replacesAll: boolean): PackedAlterations {
  const writer = new Writer();
  incrementalAlterConfigsRequest.encode(writer, PACKED_VERSION, request);
  const bytes = new Uint8Array(writer.bytes.subarray(0, writer.position));
  return { bytes, replacesAll, validateOnly: request.validateOnly };
}

/** Unpacks changes. */
export function unpackAlterations({ bytes, replacesAll }: PackedAlterations): ConfigAlteration[] {
  const reader = new Reader(bytes);
  const { resources } = incrementalAlterConfigsRequest.decode(reader, PACKED_VERSION);
  assert(reader.failure === null, "alterations are whole");
  return resources.map(({ resourceType, resourceName, configs }) => {
    return { resourceType, resourceName, operations: configs, replacesAll };
  });
}

/**
 * How a broker reaches its etcd, by its settings: reads the files that they name. Main isolate, once, at a start.
 */
import type { EtcdConfig } from "../../config/broker/broker_config.ts";
import { MetadataStoreError } from "../store/store.ts";
import type { EtcdAccess } from "./etcd_client.ts";

/**
 * Reads the files of the settings.
 * @param endpoints of the settings, or of an etcd that the broker has started
 * @throws MetadataStoreError when a file cannot be read
 */
export async function etcdAccess(config: EtcdConfig, endpoints: readonly string[]): Promise<EtcdAccess> {
  const { username: name, tls } = config;
  const password = config.passwordFile === null
    ? config.password ?? ""
    : (await read(config.passwordFile, "barnabas.etcd.password.file")).trimEnd();
  const user = name === null ? undefined : { name, password };
  if (tls === null) return { endpoints, user };
  const ca = tls.ca === null ? undefined : [await read(tls.ca, "barnabas.etcd.tls.ca.file")];
  const cert = tls.cert === null ? undefined : await read(tls.cert, "barnabas.etcd.tls.certificate.file");
  const key = tls.key === null ? undefined : await read(tls.key, "barnabas.etcd.tls.key.file");
  return { endpoints, user, tls: { caCerts: ca, cert, key } };
}

async function read(path: string, setting: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MetadataStoreError(`Cannot read the file of ${setting}: ${why}`, { cause });
  }
}

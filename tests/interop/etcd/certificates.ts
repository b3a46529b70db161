/**
 * Certificates for an etcd with TLS, made by openssl for one test: an authority, the members' and a client's. Main isolate of a test.
 */
import { runOrThrow } from "../../../bench/peer/processes.ts";

/** Texts of PEM files, and the members' flags. */
export interface Certificates {
  /** The authority. */
  readonly ca: string;
  /** Its subject has no common name: with users, etcd's gateway refuses a certificate that has one. */
  readonly client: Identity;
  readonly namedClient: Identity;
  /** For every member, which then asks clients for certificates of the authority. */
  readonly flags: Readonly<Record<string, string | boolean>>;
}

/** A certificate with its key. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** Nothing but what the command line says. */
const CONFIG = "[req]\ndistinguished_name = name\n[name]\n";

/** Makes them. @param directory gets the files, and exists */
export async function makeCertificates(directory: string): Promise<Certificates> {
  await Deno.writeTextFile(`${directory}/openssl.cnf`, CONFIG);
  await make(directory, "CN=ca", ["basicConstraints=critical,CA:TRUE"]);
  const signed = ["-CA", `${directory}/ca.pem`, "-CAkey", `${directory}/ca.key`];
  // The gateway within etcd is a client of its own member, with the member's certificate.
  await make(directory, "CN=member", ["subjectAltName=IP:127.0.0.1", "extendedKeyUsage=serverAuth,clientAuth"], signed);
  const client = await make(directory, "O=client", ["extendedKeyUsage=clientAuth"], signed);
  const namedClient = await make(directory, "CN=named", ["extendedKeyUsage=clientAuth"], signed);
  return {
    ca: await Deno.readTextFile(`${directory}/ca.pem`),
    client,
    namedClient,
    flags: {
      "cert-file": `${directory}/member.pem`,
      "key-file": `${directory}/member.key`,
      "trusted-ca-file": `${directory}/ca.pem`,
      "client-cert-auth": true,
    },
  };
}

async function make(
  directory: string,
  subject: string,
  extensions: readonly string[],
  signed: readonly string[] = [],
): Promise<Identity> {
  const name = subject.slice(subject.indexOf("=") + 1);
  const [cert, key] = [`${directory}/${name}.pem`, `${directory}/${name}.key`];
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key];
  const words = [
    "req",
    "-x509",
    "-config",
    `${directory}/openssl.cnf`,
    "-subj",
    `/${subject}`,
    "-days",
    "2",
    "-out",
    cert,
  ];
  const limits = extensions[0]?.startsWith("basic")
    ? extensions
    : ["basicConstraints=critical,CA:FALSE", ...extensions];
  await runOrThrow("openssl", [...words, ...newKey, ...signed, ...limits.flatMap((text) => ["-addext", text])]);
  return { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
}

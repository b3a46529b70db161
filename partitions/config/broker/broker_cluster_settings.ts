/**
 * Builds the settings of a broker that is one of several from checked properties, and refuses what would give it the place of another
 * broker, or an address that others cannot reach. Pure; the main isolate runs it.
 *
 * Source: KafkaConfig.validateValues (the listener between brokers) of Apache Kafka 4.3.1, with its message.
 */
import type { BrokerConfig, EtcdConfig } from "./broker_config.ts";
import type { ConfigValue } from "../config_values.ts";
import { etcdOrigins, MANAGED } from "./etcd_endpoints.ts";
import { isAnyAddress, type Listener } from "./listeners.ts";

type BrokerClusterSettings = Pick<
  BrokerConfig,
  | "rack"
  | "etcd"
  | "interBrokerListenerName"
  | "interBrokerSecret"
  | "brokerSessionTimeoutMs"
  | "brokerHeartbeatIntervalMs"
  | "initialBrokerRegistrationTimeoutMs"
  | "controlledShutdownEnable"
  | "leaderRebalanceIntervalMs"
  | "replicaLagTimeMaxMs"
  | "replicaFetch"
>;

/** What the settings are built from. */
interface ClusterProperties {
  /** The properties that are set, checked one by one. */
  readonly used: Readonly<Record<string, string>>;
  /** Gives a setting's value, or its default. */
  readonly valueOf: (name: string) => ConfigValue;
  /** Never empty. */
  readonly listeners: readonly Listener[];
  readonly advertised: readonly Listener[] | null;
}

const ENDPOINTS = "barnabas.etcd.endpoints";
const USER = "barnabas.etcd.username";
const PASSWORD = "barnabas.etcd.password";
const PASSWORD_FILE = "barnabas.etcd.password.file";
const CERTIFICATE = "barnabas.etcd.tls.certificate.file";
const KEY = "barnabas.etcd.tls.key.file";
const FETCH_WAIT = "replica.fetch.wait.max.ms";
const TLS_FILES = ["barnabas.etcd.tls.ca.file", CERTIFICATE, KEY];

/** Builds the settings, or says why the broker cannot run with them. */
export function clusterSettingsFrom(properties: ClusterProperties): BrokerClusterSettings | { refused: string } {
  const { used, valueOf } = properties;
  const refused = used[ENDPOINTS] === undefined
    ? refuseWithoutEndpoints(used)
    : refuseNode(used) ?? refuseAccess(used) ?? refuseListeners(properties) ?? refuseTimes(valueOf);
  if (refused !== null) return { refused };
  const rack = used["broker.rack"] ?? "";
  return {
    rack: rack === "" ? null : rack,
    etcd: used[ENDPOINTS] === undefined ? null : etcdOf(used, valueOf),
    interBrokerListenerName: interBrokerListener(properties) ?? "",
    interBrokerSecret: used["barnabas.inter.broker.secret"] ?? null,
    brokerSessionTimeoutMs: Number(valueOf("broker.session.timeout.ms")),
    brokerHeartbeatIntervalMs: Number(valueOf("broker.heartbeat.interval.ms")),
    initialBrokerRegistrationTimeoutMs: Number(valueOf("initial.broker.registration.timeout.ms")),
    controlledShutdownEnable: valueOf("controlled.shutdown.enable") === true,
    leaderRebalanceIntervalMs: valueOf("auto.leader.rebalance.enable") === true
      ? Number(valueOf("leader.imbalance.check.interval.seconds")) * 1000
      : null,
    replicaLagTimeMaxMs: Number(valueOf("replica.lag.time.max.ms")),
    replicaFetch: {
      maxBytes: Number(valueOf("replica.fetch.max.bytes")),
      responseMaxBytes: Number(valueOf("replica.fetch.response.max.bytes")),
      waitMaxMs: Number(valueOf(FETCH_WAIT)),
      minBytes: Number(valueOf("replica.fetch.min.bytes")),
      backoffMs: Number(valueOf("replica.fetch.backoff.ms")),
      socketTimeoutMs: Number(valueOf("replica.socket.timeout.ms")),
      receiveBufferBytes: Number(valueOf("replica.socket.receive.buffer.bytes")),
    },
  };
}

function etcdOf(used: Readonly<Record<string, string>>, valueOf: (name: string) => ConfigValue): EtcdConfig {
  const isTls = TLS_FILES.some((name) => used[name] !== undefined);
  const [ca = null, cert = null, key = null] = TLS_FILES.map((name) => used[name]);
  return {
    endpoints: etcdOrigins(used[ENDPOINTS]?.split(",") ?? []),
    managed: used[ENDPOINTS] === MANAGED,
    prefix: String(valueOf("barnabas.etcd.prefix")),
    username: used[USER] ?? null,
    password: used[PASSWORD] ?? null,
    passwordFile: used[PASSWORD_FILE] ?? null,
    tls: isTls ? { ca, cert, key } : null,
  };
}

/** A mistyped or forgotten name must not make a broker of a cluster run alone. */
function refuseWithoutEndpoints(used: Readonly<Record<string, string>>): string | null {
  const set = Object.keys(used).find((name) => name.startsWith("barnabas.etcd."));
  return set === undefined ? null : `${set} is set, but ${ENDPOINTS} (or --etcd) is not: this broker would run alone`;
}

/** Two brokers that both took the default would be one to the cluster. */
function refuseNode(used: Readonly<Record<string, string>>): string | null {
  if (used["node.id"] !== undefined || Number(used["broker.id"] ?? -1) >= 0) return null;
  return "with etcd each broker needs a number of its own: set node.id (or --node-id), 0 or more";
}

function refuseAccess(used: Readonly<Record<string, string>>): string | null {
  const isSet = (name: string) => used[name] !== undefined;
  const access = [USER, PASSWORD, PASSWORD_FILE, ...TLS_FILES].find(isSet);
  if (used[ENDPOINTS] === MANAGED && access !== undefined) {
    return `${access} is set, but the etcd that ${ENDPOINTS}=${MANAGED} starts serves this machine alone, without users and TLS`;
  }
  if (isSet(PASSWORD) && isSet(PASSWORD_FILE)) return `${PASSWORD} and ${PASSWORD_FILE} are both set: one is enough`;
  const hasPassword = isSet(PASSWORD) || isSet(PASSWORD_FILE);
  if (isSet(USER) && !hasPassword) return `${USER} is set without ${PASSWORD} or ${PASSWORD_FILE}`;
  if (!isSet(USER) && hasPassword) return `a password of etcd is set without ${USER}`;
  if (isSet(CERTIFICATE) !== isSet(KEY)) return `${CERTIFICATE} and ${KEY} need each other`;
  const open = etcdOrigins(used[ENDPOINTS]?.split(",") ?? []).find((origin) => origin.startsWith("http:"));
  const tls = TLS_FILES.find(isSet);
  return tls === undefined || open === undefined ? null : `${tls} is set, but the endpoint ${open} is not protected`;
}

function refuseListeners(properties: ClusterProperties): string | null {
  const { listeners, advertised } = properties;
  const reachable = advertised ?? listeners;
  for (const { name, host, port } of listeners) {
    if (!isAnyAddress(host) || advertised?.some((other) => other.name === name)) continue;
    return `listeners ${name}://${host}:${port}: with etcd, clients learn this address from other brokers, ` +
      `and need a host that they can connect to: name it in advertised.listeners`;
  }
  const named = interBrokerListener(properties);
  const names = reachable.map(({ name }) => name).join(",");
  if (named === null) {
    return `inter.broker.listener.name is not set: it says at which of ${names} other brokers reach this one`;
  }
  if (reachable.some(({ name }) => name === named)) return null;
  return "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on " +
    `currently configured listeners are ${names}`;
}

/** The listener that is named, else PLAINTEXT, else the only one; null: there are several. */
function interBrokerListener({ used, listeners, advertised }: ClusterProperties): string | null {
  const named = used["inter.broker.listener.name"];
  if (named !== undefined && named !== "") return named.toUpperCase();
  const names = (advertised ?? listeners).map(({ name }) => name);
  if (names.includes("PLAINTEXT")) return "PLAINTEXT";
  return names.length === 1 ? names[0] ?? null : null;
}

function refuseTimes(valueOf: (name: string) => ConfigValue): string | null {
  const [heartbeat, session] = ["broker.heartbeat.interval.ms", "broker.session.timeout.ms"];
  if (Number(valueOf(heartbeat)) >= Number(valueOf(session))) return `${heartbeat} must be less than ${session}`;
  const tooShort = ["replica.socket.timeout.ms", "replica.lag.time.max.ms"]
    .find((name) => Number(valueOf(name)) < Number(valueOf(FETCH_WAIT)));
  return tooShort === undefined ? null : `${tooShort} must be at least ${FETCH_WAIT}`;
}

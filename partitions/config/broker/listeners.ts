/**
 * Parses `listeners` and `advertised.listeners`. Only the PLAINTEXT protocol is implemented, so a listener with another protocol is
 * refused: opening it without its protection would be worse than not starting. An advertised port of 0 stands for the port that the
 * listener got from the system. Pure; the main isolate runs it.
 *
 * Source: SocketServerConfigs.listenerListToEndPoints and AbstractKafkaConfig.effectiveAdvertisedBrokerListeners, 4.3.1.
 */
/** An address to listen on or to advertise. */
export interface Listener {
  /** Name of the listener ("PLAINTEXT"); the security protocol is always PLAINTEXT. */
  readonly name: string;
  /** Host name or address, IPv6 without brackets; an empty host in `listeners` is all interfaces: "0.0.0.0". */
  readonly host: string;
  /** 0 in `listeners` asks the system for a free port. */
  readonly port: number;
}

/** The settings, as written. */
export interface ListenerSettings {
  readonly listeners: readonly string[];
  readonly advertised: readonly string[] | null;
  /** `listener.security.protocol.map` */
  readonly protocols: string;
  /** `controller.listener.names` */
  readonly controllerNames: readonly string[];
}

/** Listeners to open and to advertise, or why not. */
export type ParsedListeners =
  | { readonly listeners: Listener[]; readonly advertised: Listener[] | null }
  | { readonly refused: string };

const SECURITY_PROTOCOLS = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
const PORT_MAX = 65535;

/** Parses the listeners; those of Kafka's controllers are omitted, because this broker does not use them. */
export function parseListeners(settings: ListenerSettings): ParsedListeners {
  const listeners = parseAll("listeners", settings, settings.listeners);
  if ("refused" in listeners) return listeners;
  const refused = refuseSet(listeners.parsed, settings);
  if (refused !== null) return { refused };
  if (settings.advertised === null) return { listeners: listeners.parsed, advertised: null };
  const advertised = parseAll("advertised.listeners", settings, settings.advertised);
  if ("refused" in advertised) return advertised;
  const names = listeners.parsed.map(({ name }) => name);
  for (const { name, host } of advertised.parsed) {
    const shown = `advertised.listeners ${name}://${host}`;
    if (!names.includes(name)) return { refused: `${shown}: listeners has no ${name} (it has ${names.join(", ")})` };
    if (isAnyAddress(host)) return { refused: `${shown}: clients need a host they can connect to` };
  }
  return { listeners: listeners.parsed, advertised: advertised.parsed };
}

const ANY_ADDRESS = "0.0.0.0";

/** Whether a host stands for all addresses of the machine: 0.0.0.0, 0, :: and other ways to write them. */
export function isAnyAddress(host: string): boolean {
  return /^[0.:]+$/.test(host);
}

function refuseSet(listeners: Listener[], settings: ListenerSettings): string | null {
  if (listeners.length === 0) {
    return `listeners=${settings.listeners.join(",")} leaves no address for clients to connect to`;
  }
  for (const { name } of listeners) {
    if (listeners.filter((other) => other.name === name).length > 1) return `listeners: ${name} is there twice`;
    const protocol = protocolOf(name, settings.protocols);
    if (protocol === null) return `listeners: listener.security.protocol.map has no protocol for ${name}`;
    if (protocol !== "PLAINTEXT") return `listeners: ${name} asks for ${protocol}; only PLAINTEXT is supported so far`;
  }
  return null;
}

function parseAll(
  property: string,
  { controllerNames }: ListenerSettings,
  texts: readonly string[],
): { parsed: Listener[] } | { refused: string } {
  const parsed: Listener[] = [];
  for (const text of texts) {
    const listener = parseListener(text);
    if (listener === null) return { refused: `${property}: "${text}" is not of the form PLAINTEXT://host:port` };
    if (!controllerNames.includes(listener.name)) parsed.push(listener);
  }
  return { parsed };
}

function parseListener(text: string): Listener | null {
  const match = /^([A-Za-z][\w.-]*):\/\/(?:\[([0-9A-Fa-f:.%\w]+)\]|([\w.-]*)):(\d{1,5})$/.exec(text.trim());
  if (match === null || Number(match[4]) > PORT_MAX) return null;
  return { name: (match[1] ?? "").toUpperCase(), host: match[2] ?? (match[3] || ANY_ADDRESS), port: Number(match[4]) };
}

/** The protocol of a listener's name; a name that is itself a protocol needs no row in the map. */
function protocolOf(name: string, map: string): string | null {
  for (const row of map.split(",")) {
    const [listener = "", protocol = ""] = row.split(":").map((part) => part.trim().toUpperCase());
    if (listener === name) return protocol;
  }
  return SECURITY_PROTOCOLS.includes(name) ? name : null;
}

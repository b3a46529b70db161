/** Calls of kafka-configs about users, client ids and addresses: their quotas, and SCRAM credentials. Plain data of a test. */
import { type ToolCall, type ToolSession, unorderedCall } from "./recorded_tools.ts";

/** kafka-configs. */
function configs(...words: readonly string[]): ToolCall {
  return unorderedCall("kafka.admin.ConfigCommand", ...words);
}

const user = (name: string) => ["--entity-type", "users", "--entity-name", name];
const client = (name: string) => ["--entity-type", "clients", "--entity-name", name];
const address = (name: string) => ["--entity-type", "ips", "--entity-name", name];
const ALL_USERS = ["--entity-type", "users", "--entity-default"];
const ALL_CLIENTS = ["--entity-type", "clients", "--entity-default"];
const set = (text: string) => ["--alter", "--add-config", text];
const unset = (text: string) => ["--alter", "--delete-config", text];
const DESCRIBE = "--describe";

/** Quotas of users, client ids and addresses. */
export const quotaSession: ToolSession = {
  name: "quotas",
  calls: [
    configs("--entity-type", "users", DESCRIBE),
    configs(...user("alice"), ...set("producer_byte_rate=1048576,consumer_byte_rate=2097152")),
    configs(...user("alice"), ...client("app"), ...set("request_percentage=200.5,controller_mutation_rate=0.5")),
    configs(...ALL_USERS, ...set("consumer_byte_rate=1099511627776")),
    configs(...ALL_USERS, ...ALL_CLIENTS, ...set("consumer_byte_rate=1099511627777")),
    configs(...user("O=Acme, CN=a/b %"), ...set("producer_byte_rate=9007199254740992")),
    configs(...client("app"), ...set("consumer_byte_rate=1099511627778")),
    configs(...address("10.1.2.3"), ...set("connection_creation_rate=100")),
    configs("--entity-type", "ips", "--entity-default", ...set("connection_creation_rate=1000000")),
    configs(...user("alice"), DESCRIBE),
    configs("--entity-type", "users", DESCRIBE),
    configs("--entity-type", "clients", DESCRIBE),
    configs(...user("alice"), "--entity-type", "clients", DESCRIBE),
    configs("--entity-type", "users", "--entity-type", "clients", DESCRIBE),
    configs(...ALL_USERS, ...ALL_CLIENTS, DESCRIBE),
    configs("--entity-type", "ips", DESCRIBE),
    configs(...address("10.1.2.3"), DESCRIBE),
    configs(...user("alice"), ...set("producer_byte_rate=0")),
    configs(...user("alice"), ...set("producer_byte_rate=1.5")),
    configs(...user("alice"), ...set("producer_byte_rate=much")),
    configs(...user("alice"), ...set("no.such=1")),
    configs(...address("10.1.2.3"), ...set("producer_byte_rate=1")),
    configs(...user("alice"), ...set("consumer_byte_rate=3"), "--delete-config", "producer_byte_rate"),
    configs(...user("alice"), ...unset("no.such")),
    configs(...user("alice"), ...unset("producer_byte_rate")),
    configs(...user("nobody"), ...unset("producer_byte_rate")),
    configs(...address("10.1.2.3"), ...unset("connection_creation_rate")),
    configs(...user("alice"), DESCRIBE),
    configs(...address("10.1.2.3"), DESCRIBE),
  ],
};

/** SCRAM credentials of users. */
export const credentialSession: ToolSession = {
  name: "credentials",
  calls: [
    configs(...user("alice"), ...set("SCRAM-SHA-256=[iterations=8192,password=secret]")),
    configs(...user("alice"), ...set("SCRAM-SHA-512=[password=secret],producer_byte_rate=1048576")),
    configs(...user("bob"), ...set("SCRAM-SHA-512=[password=secret]")),
    configs(...user("alice"), DESCRIBE),
    configs("--entity-type", "users", DESCRIBE),
    configs(...user("bob"), ...set("SCRAM-SHA-256=[iterations=100,password=secret]")),
    configs(...user("bob"), ...set("SCRAM-SHA-256=[iterations=16385,password=secret]")),
    configs(...user("bob"), ...set("SCRAM-SHA-1=[password=secret]")),
    configs(...user("nobody"), ...unset("SCRAM-SHA-256")),
    configs(...user("alice"), ...unset("SCRAM-SHA-256")),
    configs(...user("bob"), ...unset("SCRAM-SHA-512")),
    configs(...user("bob"), DESCRIBE),
    configs("--entity-type", "users", DESCRIBE),
    configs(...user("nobody"), DESCRIBE),
  ],
};

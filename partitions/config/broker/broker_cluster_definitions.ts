/**
 * The settings of a broker that is one of several: Kafka's names, types and ranges, and the names of this broker's own for the etcd that
 * they share. Pure data; any isolate.
 *
 * Heartbeats are more frequent than Kafka's, so that another broker leads within a second after one has fallen silent.
 * Kafka's settings of its controllers' quorum are missing, because etcd takes their place.
 * Source: KRaftConfigs, ReplicationConfigs and ServerConfigs of Apache Kafka 4.3.1.
 */
import { type ConfigDefinition, setting } from "../config_definitions.ts";
import { atLeast } from "../config_values.ts";
import { etcdEndpointsCheck } from "./etcd_endpoints.ts";
import { passwordOf, textOf } from "./hidden_values.ts";

/** Fewer characters would be found by trying. */
const SECRET_CHARACTERS_MIN = 16;
/** It has to fit into a message between brokers. */
const SECRET_CHARACTERS_MAX = 1024;

/** Settings of brokers with others, ordered by name. */
export const brokerClusterDefinitions: readonly ConfigDefinition[] = [
  setting(
    "auto.leader.rebalance.enable",
    "BOOLEAN",
    "true",
    "Whether the controller gives partitions back to their preferred leaders.",
  ),
  setting(
    "barnabas.etcd.endpoints",
    "LIST",
    null,
    "The etcd that the brokers of a cluster share: a URL for each member, or managed for one that this broker starts itself; " +
      "unset, the broker runs alone.",
    { check: etcdEndpointsCheck },
  ),
  setting("barnabas.etcd.password", "PASSWORD", null, "Password of barnabas.etcd.username.", {
    check: passwordOf({ min: 1, max: SECRET_CHARACTERS_MAX }),
  }),
  setting("barnabas.etcd.password.file", "STRING", null, "File that has this password, instead of the setting.", {
    check: textOf(/^.+$/, "name a file"),
  }),
  setting(
    "barnabas.etcd.prefix",
    "STRING",
    "/barnabas/",
    "Before the names of all keys in etcd; one for each cluster.",
    {
      check: textOf(/^(\/[\w.-]+)+\/$/, "it looks like /barnabas/"),
    },
  ),
  setting(
    "barnabas.etcd.tls.ca.file",
    "STRING",
    null,
    "PEM file with the authorities that sign etcd's certificates; unset, those of the system.",
    { check: textOf(/^.+$/, "name a file") },
  ),
  setting("barnabas.etcd.tls.certificate.file", "STRING", null, "PEM file with the broker's certificate for etcd.", {
    check: textOf(/^.+$/, "name a file"),
  }),
  setting("barnabas.etcd.tls.key.file", "STRING", null, "PEM file with the key of this certificate.", {
    check: textOf(/^.+$/, "name a file"),
  }),
  setting("barnabas.etcd.username", "STRING", null, "User of etcd, where it asks for one.", {
    check: textOf(/^.+$/, "name a user"),
  }),
  setting(
    "barnabas.inter.broker.secret",
    "PASSWORD",
    null,
    "What the brokers of a cluster prove themselves with, the same on all; unset, one that the first broker writes to etcd.",
    { check: passwordOf({ min: SECRET_CHARACTERS_MIN, max: SECRET_CHARACTERS_MAX }) },
  ),
  setting(
    "broker.heartbeat.interval.ms",
    "INT",
    "100",
    "How often a broker of a cluster tells the controller that it is alive (Kafka: 2000).",
    { check: atLeast(1) },
  ),
  setting("broker.rack", "STRING", null, "Where this broker stands; replicas are spread over racks."),
  setting(
    "broker.session.timeout.ms",
    "INT",
    "700",
    "Time without a heartbeat after which others take over what a broker leads (Kafka: 9000).",
    { check: atLeast(1) },
  ),
  setting(
    "controlled.shutdown.enable",
    "BOOLEAN",
    "true",
    "Whether a broker that stops first gives what it leads to others.",
  ),
  setting(
    "initial.broker.registration.timeout.ms",
    "INT",
    "60000",
    "How long a start waits until the cluster has registered this broker.",
    { check: atLeast(1) },
  ),
  setting(
    "inter.broker.listener.name",
    "STRING",
    null,
    "Listener at which other brokers reach this one; unset, PLAINTEXT, or the only one.",
  ),
  setting(
    "leader.imbalance.check.interval.seconds",
    "LONG",
    "300",
    "How often the controller looks for partitions that their preferred leaders do not lead.",
    { check: atLeast(1) },
  ),
  setting("replica.fetch.backoff.ms", "INT", "1000", "How long a follower waits after its leader could not answer.", {
    check: atLeast(0),
  }),
  setting("replica.fetch.max.bytes", "INT", "1048576", "Bytes of one partition that a follower fetches at a time.", {
    check: atLeast(0),
  }),
  setting("replica.fetch.min.bytes", "INT", "1", "Bytes for which a leader lets a follower wait."),
  setting("replica.fetch.response.max.bytes", "INT", "10485760", "Bytes that a follower fetches at a time.", {
    check: atLeast(0),
  }),
  setting("replica.fetch.wait.max.ms", "INT", "500", "How long a leader without records lets a follower wait."),
  setting(
    "replica.lag.time.max.ms",
    "LONG",
    "30000",
    "A follower that has not caught up with its leader for this time leaves the in-sync replicas.",
    { check: atLeast(1) },
  ),
  setting(
    "replica.socket.receive.buffer.bytes",
    "INT",
    "-1",
    "Receive buffer of a connection to a leader; -1: the system fits it to the connection (Kafka: 65536).",
    { check: atLeast(-1) },
  ),
  setting(
    "replica.socket.timeout.ms",
    "INT",
    "30000",
    "How long a leader may take to answer, beyond which a follower connects anew.",
    { check: atLeast(1) },
  ),
];

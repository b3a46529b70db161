/**
 * The text of `--help`. Its defaults are read from the tables, so they are always right. Pure; the main isolate runs it.
 */
import { brokerDefinitions } from "../broker/broker_definitions.ts";
import { VERSION } from "../version.ts";

/** The text of `--help`, at most 80 columns wide. */
export function helpText(): string {
  const [, host, port] = /^PLAINTEXT:\/\/(.*):(\d+)$/.exec(defaultOf("listeners")) ?? [];
  return `Barnabas ${VERSION}: a commit log that Kafka clients write to and read from.

Usage: deno run -A main.ts [flags]          (or the binary: barnabas [flags])
       deno run -A main.ts verify --data DIR   reads a directory that no broker
                                               uses, and reports damage
       deno run -A main.ts dump FILE           prints a segment's file
       deno run -A main.ts cluster raise --help   more replicas for partitions

Address and data
  --port PORT    port to listen on; 0 takes a free one        (${port})
  --host HOST    address to listen on; 0.0.0.0 is every one   (${host})
  --data DIR     data directory, created when missing         (${defaultOf("log.dirs")})
  --shards N     worker threads; 0 is one per core            (${defaultOf("barnabas.shards")})
  --node-id N    number of this broker                        (${defaultOf("node.id")})
  --etcd URL[,URL...]|managed   etcd of several brokers; managed starts one
  --rack NAME    where it stands; replicas are spread over racks
  --http PORT    port of /metrics, /healthz, /readyz          (none)

Topics
  --topic NAME[:PARTITIONS[:KEY=VALUE]...]
                 has this topic ready when the broker is; may be repeated:
                 --topic orders:6 --topic users:3:cleanup.policy=compact

Kafka's settings
  --config FILE         a server.properties file
  --override KEY=VALUE  one setting, stronger than the file; may be repeated:
                        --override log.segment.bytes=104857600

Other
  --help, --version

Settings have Kafka's names and defaults, with these differences:
  listeners             only this machine unless told (Kafka: every address)
  advertised.listeners  each client is told the broker's end of its connection
  log.dirs              ${defaultOf("log.dirs")} (Kafka: /tmp/kafka-logs)
  node.id               ${defaultOf("node.id")} (Kafka: no default)
  group.initial.rebalance.delay.ms   0 (Kafka: 3000, and 0 in its own file)
  broker.heartbeat.interval.ms, broker.session.timeout.ms
                        100, 700 (Kafka: 2000, 9000)
  barnabas.shards, barnabas.cluster.id, barnabas.inter.broker.secret,
  barnabas.etcd.*, barnabas.http.*, barnabas.log.*, barnabas.metrics.*,
  barnabas.recovery.*   this broker's own
README.md lists every setting. Ctrl-C stops cleanly, a second one at once.
Exit codes: 0 stopped, 1 failed, 2 wrong flags, 128 + N by a second signal N
`;
}

function defaultOf(name: string): string {
  return brokerDefinitions.get(name)?.defaultText ?? "";
}

/**
 * A broker, as the program that starts it sees it, and the options it is started with.
 */
import type { BrokerConfig } from "../../partitions/config/broker/broker_config.ts";
import type { ReloadedSettings, TurnTimes } from "../../partitions/control.ts";

/** A topic that exists when the broker has started. */
export interface TopicOptions {
  readonly name: string;
  /** `num.partitions` where absent. */
  readonly partitions?: number;
  /** By Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** How a broker is started; every option may be left out. */
export interface BrokerOptions {
  /** 9092 where absent; 0 takes any free port. */
  readonly port?: number;
  /** 127.0.0.1 where absent. */
  readonly host?: string;
  /** Kafka's `log.dirs`; a temporary directory where absent, removed when the broker is closed. */
  readonly dataDir?: string;
  /** Workers that own partitions and connections; one per core where absent. */
  readonly shards?: number;
  /** Topics to create where they do not exist. */
  readonly topics?: readonly TopicOptions[];
  /** Settings by Kafka's names (`"message.max.bytes": "2000000"`). */
  readonly overrides?: Readonly<Record<string, string>>;
  /** All settings at once, as read from the command line. If present, the options above except `topics` are ignored. */
  readonly config?: BrokerConfig;
  /** Ends the start while the broker waits for its cluster to take it: then the start is rejected with a StartupError. */
  readonly signal?: AbortSignal;
  /** Learns once a second how far a start is that takes longer. @param sentence as the log has it */
  readonly onProgress?: (sentence: string) => void;
}

/** A running broker. Disposing of it closes it. */
export interface Broker extends AsyncDisposable {
  readonly host: string;
  /** The port that the broker listens on, also where the options said 0. */
  readonly port: number;
  /** For a client's `bootstrap.servers`: every listener, comma-separated. */
  readonly bootstrapServers: string;
  /** The port of the HTTP listener (`barnabas.http.port`), null without one. */
  readonly httpPort: number | null;
  readonly dataDir: string;
  readonly shards: number;
  /**
   * Resolves when the broker has been closed; rejects when a part of it failed, with a DiskFailure when that was the disk. After either it
   * serves nothing.
   */
  readonly closed: Promise<void>;
  /** How long the turns of each shard's reactor took since the start. During a long turn all clients of the shard wait. */
  turnTimes(): TurnTimes[];
  /**
   * Exceptions of request handlers since the start, one number for each shard. Each is a bug of the broker, was logged with its stack and
   * cost one connection. Please report any number but 0. Wraps at 2^32.
   */
  handlerFailures(): number[];
  /**
   * Takes other settings, as far as they can change while the broker runs. Settles when they are in force.
   * @param config of a broker that would be started now
   * @returns names of the settings that changed and of those that need a restart, or why nothing changed
   */
  reload(config: BrokerConfig): Promise<ReloadedSettings | { readonly refused: string }>;
  /** Stops cleanly: closes connections, then makes logs and checkpoints durable. Idempotent. */
  close(): Promise<void>;
}

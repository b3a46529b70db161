/**
 * DescribeLogDirs, API key 35 (KIP-113): how large the logs are, and the volumes they lie on: one result for each of `log.dirs`.
 *
 * v1 · v2 flexible · v3 error of the whole answer (KIP-784) · v4 bytes of the volume (KIP-827) · v5 cordoned log directories (KIP-1066).
 *
 * Partitions that are not here are left out, as in Kafka. So is one that is being handed over between shards in this moment.
 * Kafka takes the whole directory offline with one log, here the other logs go on: KAFKA_STORAGE_ERROR says that the directory is
 * offline, that logs of it that were asked for are, or that the volume cannot be asked. Logs that are online are listed all the same.
 *
 * A copy that AlterReplicaLogDirs makes is listed in its directory: its bytes, and how many records it still lacks.
 *
 * Not done: cordoned log directories.
 */
import { logSize } from "../../partitions/questions/log_size.ts";
import { OFFLINE_DIRECTORY } from "../../partitions/mod.ts";
import { volumeSpace } from "../../storage/mod.ts";
import { errorCode } from "../protocol/error_codes.ts";
import {
  type DescribeLogDirsRequest,
  describeLogDirsRequest,
  type DescribeLogDirsResponse,
  describeLogDirsResponse,
  type DescribeLogDirsTopic,
} from "../protocol/messages/35_describe_log_dirs.ts";
import type { MadeList } from "../protocol/made_list.ts";
import { api } from "../requests/api.ts";
import { CLUSTER } from "../requests/authorization.ts";
import { gather, type GatheredTopic, type NamedTopic, namedTopic } from "../requests/gather.ts";
import type { Exchange, ShardServices } from "../requests/handler.ts";

/** The row of DescribeLogDirs. */
export const describeLogDirsApi = api({
  key: 35,
  name: "DescribeLogDirs",
  served: [1, 5],
  request: describeLogDirsRequest,
  response: describeLogDirsResponse,
  needs: {
    operation: "DESCRIBE",
    resourceOf: () => CLUSTER,
    refuse: () => ({ errorCode: errorCode.CLUSTER_AUTHORIZATION_FAILED, results: [] }),
  },
  isReadOnly: true,
  handle: handleDescribeLogDirs,
});

/** A partition as the request, or the image, names it. */
type Named = number | { readonly partition: number };
type DescribedLog = DescribeLogDirsTopic["partitions"][number];
/** What is known of its log: its part of the response, or why there is none. */
type Part = DescribedLog & { readonly logEndOffset: number } | {
  readonly partitionIndex: number;
  readonly errorCode: number;
};

/** Handles DescribeLogDirs. */
export function handleDescribeLogDirs(
  request: DescribeLogDirsRequest,
  exchange: Exchange<DescribeLogDirsResponse>,
  services: ShardServices,
): void {
  const named = request.topics?.map(({ topic, partitions }) => namedTopic(topic, partitions));
  const topics: readonly NamedTopic<Named>[] = named ?? [...services.image.topics()];
  gather<Named, object, { logFilesBytes: number; offsetLag: number; logEndOffset: number }, Part>(
    {
      question: logSize,
      topics,
      // The image names each once.
      repeated: request.topics === null ? "each" : "last",
      indexOf,
      ask: () => ({}),
      part: (named, code, { logFilesBytes, offsetLag, logEndOffset }) => {
        const partitionIndex = indexOf(named);
        if (code !== errorCode.NONE) return { partitionIndex, errorCode: code };
        return { partitionIndex, partitionSize: logFilesBytes, offsetLag, isFutureKey: false, logEndOffset };
      },
      respond: (gathered) => exchange.respond({ results: describe(gathered, services) }),
    },
    exchange,
    services,
  );
}

function describe(
  gathered: MadeList<GatheredTopic<Part>>,
  { config, image }: ShardServices,
): DescribeLogDirsResponse["results"] {
  const results = config.logDirectories.map(
    (logDir) => ({ logDir, isOffline: false, topics: [] as { name: string; partitions: DescribedLog[] }[] }),
  );
  const list = (directory: number, name: string, log: DescribedLog) => {
    const topics = results[directory]?.topics;
    if (topics?.at(-1)?.name === name) topics.at(-1)?.partitions.push(log);
    else topics?.push({ name, partitions: [log] });
  };
  for (const { name, partitions } of gathered) {
    const topic = image.topic(name);
    for (const part of partitions) {
      const { directory = OFFLINE_DIRECTORY, future } = topic?.partitions[part.partitionIndex] ?? {};
      if ("errorCode" in part) {
        const result = results[directory];
        if (result !== undefined) result.isOffline ||= part.errorCode === errorCode.KAFKA_STORAGE_ERROR;
        continue;
      }
      list(directory, name, part);
      if (future === undefined) continue;
      const offsetLag = Math.max(part.logEndOffset - future.endOffset, 0);
      const { partitionIndex } = part;
      list(future.directory, name, { partitionIndex, partitionSize: future.bytes, offsetLag, isFutureKey: true });
    }
  }
  return results.map(({ logDir, isOffline, topics }, index) => {
    const space = image.isOffline(index) ? null : volumeSpace(logDir);
    const code = space === null || isOffline ? errorCode.KAFKA_STORAGE_ERROR : errorCode.NONE;
    return { errorCode: code, logDir, topics, ...space };
  });
}

function indexOf(named: Named): number {
  return typeof named === "number" ? named : named.partition;
}

/**
 * kafkajs and @platformatic/kafka: `produce`, `consume`, `admin` and `change` of ../README.md. Runs under Node or Deno; the libraries are
 * looked up in the directory that $CLIENT_LIBRARIES names.
 *
 *    CLIENT_LIBRARIES=DIR node client.mjs kafkajs produce 127.0.0.1:9092 topic none,gzip 100
 *
 * kafkajs 2.2.4 reads in consumer groups only, so it has no `consume` here.
 */
import { createRequire } from "node:module";
import process from "node:process";
import { pathToFileURL } from "node:url";

const directory = `${process.env.CLIENT_LIBRARIES}/`;
const require = createRequire(directory);

function* records(library, codec, count) {
  for (let i = 0; i < count; i++) {
    const key = i % 7 === 3 ? null : `${library}-${codec}-${i}`;
    const value = key !== null && i % 11 === 5 ? null : `${i} ${"Grüße 你好 🚀 ".repeat(i % 50)}`;
    yield { key, value };
  }
}

function say(line) {
  process.stdout.write(`${line}\n`);
}

function show(offset, key, value, headers) {
  say([offset, key ?? "NULL", value ?? "NULL", headers.map(([name, data]) => `${name}=${data}`).join(",")].join("\t"));
}

function kafkajs(bootstrap) {
  const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require("kafkajs");
  // kafkajs has only gzip; the other codecs come from further packages.
  CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");
  const lz4 = require("lz4-napi");
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: (encoder) => lz4.compressFrame(encoder.buffer),
    decompress: (bytes) => lz4.decompressFrame(bytes),
  });
  const types = { none: "None", gzip: "GZIP", snappy: "Snappy", lz4: "LZ4" };
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR });
  return {
    async produce(topic, codecs, count) {
      const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
      await producer.connect();
      for (const codec of codecs) {
        const messages = [...records("kafkajs", codec, count)]
          .map((record) => ({ ...record, partition: 0, headers: { client: "kafkajs" } }));
        await producer.send({ topic, messages, acks: -1, compression: CompressionTypes[types[codec]] });
      }
      await producer.disconnect();
    },
    async admin(topic) {
      const admin = kafka.admin();
      await admin.connect();
      const wanted = { topic, numPartitions: 3, configEntries: [{ name: "retention.ms", value: "12345678" }] };
      if (await admin.createTopics({ topics: [wanted], waitForLeaders: false })) say("created");
      if (await admin.createTopics({ topics: [wanted], waitForLeaders: false }) === false) say("duplicate");
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      say(`partitions ${topics[0].partitions.length}`);
      const resource = { type: 2, name: topic, configNames: ["retention.ms"] };
      const { resources } = await admin.describeConfigs({ resources: [resource], includeSynonyms: false });
      say(`retention.ms ${resources[0].configEntries[0].configValue}`);
      await admin.deleteTopics({ topics: [topic] });
      while ((await admin.listTopics()).includes(topic));
      say("deleted");
      await admin.disconnect();
    },
    async change(topic) {
      const admin = kafka.admin();
      await admin.connect();
      await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      say(`partitions ${topics[0].partitions.length}`);
      const configEntries = [
        { name: "retention.ms", value: "7654321" },
        { name: "cleanup.policy", value: "delete,compact" },
      ];
      await admin.alterConfigs({ resources: [{ type: 2, name: topic, configEntries }], validateOnly: false });
      const valueOf = async (name) => {
        const resource = { type: 2, name: topic, configNames: [name] };
        const { resources } = await admin.describeConfigs({ resources: [resource], includeSynonyms: false });
        return resources[0].configEntries[0].configValue;
      };
      while (await valueOf("retention.ms") !== "7654321"); // Kafka answers before it shows the change
      say(`retention.ms ${await valueOf("retention.ms")}`);
      say(`cleanup.policy ${await valueOf("cleanup.policy")}`);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "2" }] });
      const [{ low }] = (await admin.fetchTopicOffsets(topic)).filter(({ partition }) => partition === 0);
      say(`low watermark ${low}`);
      say(`earliest ${low}`);
      await admin.disconnect();
    },
  };
}

async function platformatic(bootstrap) {
  const { Admin, Consumer, Producer, stringSerializers } = await import(
    pathToFileURL(require.resolve("@platformatic/kafka")).href
  );
  const options = { clientId: "interop", bootstrapBrokers: [bootstrap] };
  return {
    async produce(topic, codecs, count) {
      const producer = new Producer({ ...options, idempotent: true, serializers: stringSerializers });
      for (const codec of codecs) {
        const messages = [...records("platformatic", codec, count)].map(({ key, value }) => ({
          topic,
          partition: 0,
          key: key ?? undefined,
          value: value ?? undefined,
          headers: { client: "platformatic" },
        }));
        await producer.send({ messages, acks: -1, compression: codec });
      }
      await producer.close();
    },
    async consume(topic, count) {
      const consumer = new Consumer({ ...options, groupId: "unused" });
      const metadata = await consumer.metadata({ topics: [topic] });
      const { id, partitions } = metadata.topics.get(topic);
      const text = (bytes) => bytes === null || bytes === undefined ? null : bytes.toString();
      for (let next = 0n; next < count;) {
        const wanted = { partition: 0, fetchOffset: next, partitionMaxBytes: 1 << 20, currentLeaderEpoch: -1 };
        const answer = await consumer.fetch({
          node: partitions[0].leader,
          topics: [{ topicId: id, partitions: [{ ...wanted, lastFetchedEpoch: -1 }] }],
          minBytes: 1,
          maxWaitTime: 500,
        });
        for (const batch of answer.responses[0]?.partitions[0].records ?? []) {
          for (const record of batch.records) {
            const offset = batch.firstOffset + BigInt(record.offsetDelta);
            if (offset < next) continue; // the batch may start before the offset asked for
            const headers = [...record.headers].map(([name, data]) => [text(name), text(data)]);
            show(offset, text(record.key), text(record.value), headers);
            next = offset + 1n;
          }
        }
      }
      await consumer.close(true);
    },
    async admin(topic) {
      const admin = new Admin(options);
      const wanted = {
        topics: [topic],
        partitions: 3,
        replicas: 1,
        configs: [{ name: "retention.ms", value: "12345678" }],
      };
      await admin.createTopics(wanted);
      say("created");
      try {
        await admin.createTopics(wanted);
      } catch (error) {
        if (JSON.stringify(error, errorFields).includes("TOPIC_ALREADY_EXISTS")) say("duplicate");
        else throw error;
      }
      const metadata = await admin.metadata({ topics: [topic], forceUpdate: true });
      say(`partitions ${metadata.topics.get(topic).partitions.length}`);
      const resource = { resourceType: 2, resourceName: topic, configurationKeys: ["retention.ms"] };
      const [described] = await admin.describeConfigs({ resources: [resource] });
      say(`retention.ms ${described.configs[0].value}`);
      await admin.deleteTopics({ topics: [topic] });
      while ((await admin.listTopics()).includes(topic));
      say("deleted");
      await admin.close();
    },
  };
}

/** The fields of an error, which JSON.stringify() leaves out. */
function errorFields(_name, value) {
  return value instanceof Error
    ? { ...value, message: value.message, errors: value.errors, cause: value.cause }
    : value;
}

const [library, command, bootstrap, topic, ...rest] = process.argv.slice(2);
const program = library === "kafkajs" ? kafkajs(bootstrap) : await platformatic(bootstrap);
if (command === "produce") await program.produce(topic, rest[0].split(","), Number(rest[1]));
else if (command === "consume") await program.consume(topic, Number(rest[0]));
else if (command === "change") await program.change(topic);
else await program.admin(topic);

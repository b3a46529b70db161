// How kafka-ui reads and writes messages: its MessagesService, and the classes ForwardEmitter, BackwardEmitter, SeekOperations and
// OffsetsInfo of its package emitter.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.BytesDeserializer;
import org.apache.kafka.common.utils.Bytes;

final class KafkaUiMessages {
  /** PollingSettings. */
  private static final Duration POLL_TIMEOUT = Duration.ofSeconds(1);

  private record Range(long from, long to) {}

  private final String bootstrap;
  private final KafkaUiAdmin admin;

  KafkaUiMessages(String bootstrap, KafkaUiAdmin admin) {
    this.bootstrap = bootstrap;
    this.admin = admin;
  }

  /** MessagesService.sendMessage: a producer of its own for each; partition null: by the key. */
  String send(String topic, Integer partition, String key, String value) throws Exception {
    withExistingTopic(topic);
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.put("key.serializer", ByteArraySerializer.class);
    properties.put("value.serializer", ByteArraySerializer.class);
    try (var producer = new KafkaProducer<byte[], byte[]>(properties)) {
      var record = new ProducerRecord<>(topic, partition, Pages.bytes(key), Pages.bytes(value));
      record.headers().add("by", Pages.bytes("kafka-ui"));
      var stored = producer.send(record).get();
      return stored.partition() + ":" + stored.offset();
    }
  }

  private void withExistingTopic(String topic) throws Exception {
    if (admin.describeTopic(topic) == null) throw new IllegalStateException("TopicNotFoundException");
  }

  /** ConsumerGroupService.createConsumer. */
  private KafkaConsumer<Bytes, Bytes> consumer(Map<String, Object> more) {
    Properties properties = new Properties();
    properties.put("client.id", "kafbat-ui-consumer-1");
    properties.put("bootstrap.servers", bootstrap);
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    properties.put("allow.auto.create.topics", "false");
    properties.putAll(more);
    return new KafkaConsumer<>(properties, new BytesDeserializer(), new BytesDeserializer());
  }

  /** ForwardEmitter, from the earliest (-2) or from a time. */
  String forward(String topic, int limit, long time) throws Exception {
    withExistingTopic(topic);
    try (var consumer = consumer(Map.of("max.poll.records", limit))) {
      var all = partitions(consumer, topic);
      var begins = beginOffsets(consumer, all);
      var ends = consumer.endOffsets(all);
      var filled = all.stream().filter(partition -> ends.get(partition) > begins.get(partition)).toList();
      Map<TopicPartition, Long> from = new HashMap<>();
      if (time == -2) {
        from.putAll(consumer.beginningOffsets(filled));
      } else {
        consumer.offsetsForTimes(filled.stream().collect(Collectors.toMap(partition -> partition, partition -> time)))
            .forEach((partition, found) -> {
              if (found != null) from.put(partition, found.offset());
            });
      }
      Map<TopicPartition, Range> ranges = new HashMap<>();
      int each = Math.max(1, (int) Math.ceil((double) limit / from.size()));
      from.forEach((partition, offset) -> {
        long end = ends.get(partition);
        if (offset < end) ranges.put(partition, new Range(offset, Math.min(end, offset + each)));
      });
      return shown(poll(consumer, ranges));
    }
  }

  /** BackwardEmitter, from the latest. */
  String backward(String topic, int limit) throws Exception {
    withExistingTopic(topic);
    try (var consumer = consumer(Map.of("max.poll.records", limit))) {
      var all = partitions(consumer, topic);
      var begins = beginOffsets(consumer, all);
      var ends = consumer.endOffsets(all);
      Map<TopicPartition, Range> ranges = new HashMap<>();
      var filled = all.stream().filter(partition -> ends.get(partition) > begins.get(partition)).toList();
      int each = Math.max(1, (int) Math.ceil((double) limit / filled.size()));
      consumer.endOffsets(filled).forEach((partition, end) ->
          ranges.put(partition, new Range(Math.max(begins.get(partition), end - each), end)));
      return shown(poll(consumer, ranges));
    }
  }

  private static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, String topic) {
    return consumer.partitionsFor(topic).stream().map(info -> new TopicPartition(topic, info.partition())).toList();
  }

  /** OffsetsInfo.firstOffsetsForPolling: by time 0, unless a partition has no record. */
  private static Map<TopicPartition, Long> beginOffsets(KafkaConsumer<?, ?> consumer, Collection<TopicPartition> partitions) {
    try {
      var offsets = consumer.offsetsForTimes(partitions.stream().collect(Collectors.toMap(partition -> partition, partition -> 0L)));
      if (offsets.values().stream().noneMatch(found -> found == null)) {
        return offsets.entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey, entry -> entry.getValue().offset()));
      }
    } catch (UnsupportedVersionException error) {
      return consumer.beginningOffsets(partitions);
    }
    return consumer.beginningOffsets(partitions);
  }

  /** RangePollingEmitter.poll: a partition that has been read to the end of its range is paused. */
  private static List<ConsumerRecord<Bytes, Bytes>> poll(KafkaConsumer<Bytes, Bytes> consumer, Map<TopicPartition, Range> ranges) {
    consumer.assign(ranges.keySet());
    ranges.forEach((partition, range) -> consumer.seek(partition, range.from));
    List<ConsumerRecord<Bytes, Bytes>> result = new ArrayList<>();
    Set<TopicPartition> paused = new HashSet<>();
    while (paused.size() < ranges.size()) {
      var polled = consumer.poll(POLL_TIMEOUT);
      ranges.forEach((partition, range) -> {
        polled.records(partition).stream().filter(record -> record.offset() < range.to).forEach(result::add);
        if (!paused.contains(partition) && consumer.position(partition) >= range.to) {
          paused.add(partition);
          consumer.pause(List.of(partition));
        }
      });
    }
    consumer.resume(paused);
    return result;
  }

  /** The records of partitions 0 and 1 by partition and offset; those of others, where a key has led them, are counted. */
  private static String shown(List<ConsumerRecord<Bytes, Bytes>> records) {
    Map<String, String> shown = new TreeMap<>();
    int byKey = 0;
    for (var record : records) {
      if (record.value() == null) {
        byKey++;
        continue;
      }
      String headers = List.of(record.headers().toArray()).stream()
          .map(header -> header.key() + "=" + new String(header.value(), StandardCharsets.UTF_8)).collect(Collectors.joining(","));
      shown.put(record.partition() + ":" + record.offset(), record.key() + "/" + record.value() + "/" + headers);
    }
    return Pages.sorted(shown) + ", null " + byKey;
  }

  /** TopicAnalysisService.AnalysisTask: reads everything from the start. */
  String analysis(String topic) throws Exception {
    withExistingTopic(topic);
    try (var consumer = consumer(Map.of("max.poll.records", "10000"))) {
      var all = partitions(consumer, topic);
      consumer.assign(all);
      consumer.seekToBeginning(all);
      var ends = consumer.endOffsets(all);
      long records = 0;
      while (all.stream().anyMatch(partition -> ends.get(partition) > consumer.position(partition))) {
        records += consumer.poll(Duration.ofSeconds(3)).count();
      }
      return records + " records";
    }
  }

  /** A member of a group that has read and committed all of a topic; no part of the console. */
  KafkaConsumer<Bytes, Bytes> member(String topic, String group) {
    var consumer = consumer(Map.of("group.id", group, "client.id", "member"));
    consumer.subscribe(List.of(topic));
    for (int records = 0; records < 11;) records += consumer.poll(POLL_TIMEOUT).count();
    // Of partitions without records, too: what has no position yet is not committed.
    consumer.assignment().forEach(consumer::position);
    consumer.commitSync();
    return consumer;
  }
}

// Apache Kafka's own consumer as a member of a group: `group` of ../README.md.
//
//    java -cp 'JARS/*:CLASSES' Group java group 127.0.0.1:9092 topic name protocol=classic assignor=range

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public final class Group implements ConsumerRebalanceListener {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private static final Map<String, String> ASSIGNORS = Map.of(
      "range", "RangeAssignor", "roundrobin", "RoundRobinAssignor",
      "sticky", "StickyAssignor", "cooperative-sticky", "CooperativeStickyAssignor");

  private final TreeSet<Integer> owned = new TreeSet<>();
  /** Offsets to commit. If a cooperative rebalance refuses the commit, it is repeated while this member has the partition. */
  private final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();

  public static void main(String[] args) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (int i = 5; i < args.length; i++) {
      String[] pair = args[i].split("=", 2);
      options.put(pair[0], pair[1]);
    }
    new Group().run(configuration(args[2], args[4], options), args[3], options.get("pattern"));
  }

  private static Map<String, Object> configuration(String bootstrap, String group, Map<String, String> options) {
    Map<String, Object> config = new HashMap<>(Map.of(
        "bootstrap.servers", bootstrap, "group.id", group, "enable.auto.commit", "false",
        "auto.offset.reset", "earliest", "fetch.max.wait.ms", "100"));
    String protocol = options.getOrDefault("protocol", "classic");
    config.put("group.protocol", protocol);
    if (protocol.equals("classic")) {
      String assignor = ASSIGNORS.get(options.getOrDefault("assignor", "range"));
      config.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor);
      config.put("session.timeout.ms", "6000");
      config.put("heartbeat.interval.ms", "300");
    } else if (options.containsKey("assignor")) {
      config.put("group.remote.assignor", options.get("assignor"));
    }
    if (options.containsKey("instance")) config.put("group.instance.id", options.get("instance"));
    return config;
  }

  private void run(Map<String, Object> config, String topic, String pattern) throws Exception {
    Thread main = Thread.currentThread();
    var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      consumer.wakeup();
      try {
        main.join();
      } catch (InterruptedException error) {
        throw new IllegalStateException(error);
      }
    }));
    try (consumer) {
      if (pattern == null) consumer.subscribe(List.of(topic), this);
      else consumer.subscribe(new SubscriptionPattern(pattern), this);
      while (true) {
        for (ConsumerRecord<byte[], byte[]> record : poll(consumer)) {
          OUT.print("read " + record.partition() + " " + record.offset() + "\n");
          next.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        if (!next.isEmpty()) commit(consumer);
      }
    } catch (WakeupException stop) {
      // The shutdown hook has asked for the end.
    }
    OUT.print("closed\n");
  }

  /** A member that was away for too long may ask for offsets by its old id. Then poll() throws, and the next poll() joins again. */
  private static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer) {
    try {
      return consumer.poll(Duration.ofMillis(200));
    } catch (UnknownMemberIdException away) {
      OUT.print("refused " + away.getClass().getSimpleName() + "\n");
      return ConsumerRecords.empty();
    }
  }

  private void commit(KafkaConsumer<?, ?> consumer) {
    try {
      consumer.commitSync(next);
      next.forEach((partition, offset) ->
          OUT.print("committed " + partition.partition() + " " + offset.offset() + "\n"));
      next.clear();
    } catch (WakeupException stop) {
      throw stop;
    } catch (KafkaException error) {
      OUT.print("refused " + error.getClass().getSimpleName() + "\n");
    }
  }

  @Override
  public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
    partitions.forEach(partition -> owned.add(partition.partition()));
    say();
  }

  @Override
  public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
    partitions.forEach(partition -> owned.remove(partition.partition()));
    next.keySet().removeAll(partitions);
    say();
  }

  private void say() {
    OUT.print("owns " + owned.stream().map(String::valueOf).collect(Collectors.joining(" ")) + "\n");
  }
}

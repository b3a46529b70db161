// Apache Kafka's own clients as a producer and a consumer of a replicated topic: `journal` of ../README.md.
//
//    java -cp 'JARS/*:CLASSES' Journal java journal 127.0.0.1:9092 topic 6 name 100 all

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.InvalidOffsetException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Journal {
  private static final long TICK_MS = 50;
  private static final int IN_FLIGHT_MAX = 300;
  private static final String PADDING = " " + ".".repeat(60);
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  private static volatile boolean isEnded;
  private static volatile Map<TopicPartition, Long> ends;
  private static int inFlight;

  public static void main(String[] args) throws Exception {
    String bootstrap = args[2];
    String topic = args[3];
    List<TopicPartition> partitions =
        IntStream.range(0, Integer.parseInt(args[4])).mapToObj(number -> new TopicPartition(topic, number)).toList();
    var reader = new Thread(() -> read(bootstrap, partitions));
    reader.start();
    var listener = new Thread(Journal::awaitEnd);
    listener.setDaemon(true);
    listener.start();
    try (var producer = new KafkaProducer<>(producing(bootstrap, args[7]), new StringSerializer(), new StringSerializer())) {
      write(producer, partitions, args[5], Double.parseDouble(args[6]));
      producer.flush();
    }
    try (var asked = new KafkaConsumer<>(consuming(bootstrap), new StringDeserializer(), new StringDeserializer())) {
      ends = asked.endOffsets(partitions, Duration.ofMinutes(1));
    }
    reader.join();
    say("closed");
  }

  // Clients meet brokers that are paused: they must not wait for half a minute.
  private static Map<String, Object> patience(String bootstrap) {
    return new HashMap<>(Map.of(
        "bootstrap.servers", bootstrap, "request.timeout.ms", "5000", "reconnect.backoff.max.ms", "200",
        "metadata.max.age.ms", "1000"));
  }

  private static Map<String, Object> producing(String bootstrap, String acks) {
    var config = patience(bootstrap);
    config.putAll(Map.of(
        "acks", acks, "enable.idempotence", String.valueOf(acks.equals("all")), "linger.ms", "5",
        "delivery.timeout.ms", "300000", "max.block.ms", "300000"));
    return config;
  }

  private static Map<String, Object> consuming(String bootstrap) {
    var config = patience(bootstrap);
    config.putAll(Map.of("auto.offset.reset", "none", "enable.auto.commit", "false", "fetch.max.wait.ms", "200"));
    return config;
  }

  private static void awaitEnd() {
    try {
      while (System.in.read() >= 0) {}
    } catch (java.io.IOException error) {
      throw new IllegalStateException(error);
    }
    isEnded = true;
  }

  private static void write(
      KafkaProducer<String, String> producer, List<TopicPartition> partitions, String name, double rate)
      throws InterruptedException {
    double due = 0;
    for (int number = 0; !isEnded; Thread.sleep(TICK_MS)) {
      for (due += rate * TICK_MS / 1000; due >= 1; due--) {
        if (inFlight(0) >= IN_FLIGHT_MAX) continue;
        int partition = number % partitions.size();
        String value = name + "-" + partition + "-" + number++;
        inFlight(1);
        producer.send(new ProducerRecord<>(partitions.get(0).topic(), partition, null, value + PADDING), (data, error) -> {
          inFlight(-1);
          if (error != null) say("failed " + partition + " " + value + " " + error.getClass().getSimpleName());
          // A duplicate of a batch whose offset the broker no longer knows has none.
          else say("acknowledged " + partition + " " + (data.hasOffset() ? data.offset() : -1) + " " + value);
        });
      }
    }
  }

  private static synchronized int inFlight(int more) {
    return inFlight += more;
  }

  private static void read(String bootstrap, List<TopicPartition> partitions) {
    try (var consumer = new KafkaConsumer<>(consuming(bootstrap), new StringDeserializer(), new StringDeserializer())) {
      consumer.assign(partitions);
      var next = new HashMap<TopicPartition, Long>();
      for (var partition : partitions) {
        consumer.seek(partition, 0);
        next.put(partition, 0L);
      }
      while (ends == null || partitions.stream().anyMatch(partition -> next.get(partition) < ends.get(partition))) {
        try {
          for (var record : consumer.poll(Duration.ofMillis(100))) {
            say("read " + record.partition() + " " + record.offset() + " " + record.value().split(" ", 2)[0]);
            next.put(new TopicPartition(record.topic(), record.partition()), record.offset() + 1);
          }
        } catch (InvalidOffsetException error) {
          say("odd 0 " + error.getMessage().replace('\n', ' '));
          error.partitions().forEach(partition -> consumer.seek(partition, next.get(partition)));
        }
      }
    }
  }

  private static synchronized void say(String line) {
    OUT.print(line + "\n");
    OUT.flush();
  }
}

// Apache Kafka's own client: `produce`, `consume`, `keyless` and `admin` of ../README.md. Run as a single source file:
//
//    java -cp 'JARS/*' Client.java java produce 127.0.0.1:9092 topic none,gzip 100

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Client {
  private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

  public static void main(String[] args) throws Exception {
    String bootstrap = args[2];
    String topic = args[3];
    switch (args[1]) {
      case "produce" -> produce(bootstrap, topic, args[4].split(","), Integer.parseInt(args[5]));
      case "consume" -> consume(bootstrap, topic, Integer.parseInt(args[4]));
      case "keyless" -> keyless(bootstrap, topic, List.of(args[4].split(",")), Integer.parseInt(args[5]));
      case "admin" -> admin(bootstrap, topic);
      default -> throw new IllegalArgumentException(args[1]);
    }
    OUT.flush();
  }

  private static void produce(String bootstrap, String topic, String[] codecs, int count) throws Exception {
    for (String codec : codecs) {
      Map<String, Object> config = Map.of(
          "bootstrap.servers", bootstrap, "compression.type", codec, "linger.ms", "20", "enable.idempotence", "true");
      try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < count; i++) {
          String key = i % 7 == 3 ? null : "java-" + codec + "-" + i;
          String value = key != null && i % 11 == 5 ? null : i + " " + "Grüße 你好 🚀 ".repeat(i % 50);
          var record = new ProducerRecord<>(topic, 0, key, value);
          record.headers().add("client", "java".getBytes(StandardCharsets.UTF_8));
          sent.add(producer.send(record));
        }
        for (Future<RecordMetadata> one : sent) one.get();
      }
    }
  }

  private static void consume(String bootstrap, String topic, int count) {
    Map<String, Object> config = Map.of("bootstrap.servers", bootstrap);
    try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
      List<TopicPartition> partitions = List.of(new TopicPartition(topic, 0));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      for (int seen = 0; seen < count;) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
          List<String> headers = new ArrayList<>();
          for (Header header : record.headers()) {
            headers.add(header.key() + "=" + new String(header.value(), StandardCharsets.UTF_8));
          }
          String key = record.key() == null ? "NULL" : record.key();
          String value = record.value() == null ? "NULL" : record.value();
          OUT.print(record.offset() + "\t" + key + "\t" + value + "\t" + String.join(",", headers) + "\n");
          seen++;
        }
      }
    }
  }

  private static void keyless(String bootstrap, String topic, List<String> numbers, int count) throws Exception {
    Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "linger.ms", "1000");
    try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        String key = numbers.contains(String.valueOf(i)) ? null : "key-" + i;
        sent.add(producer.send(new ProducerRecord<>(topic, 0, key, "x")));
      }
      producer.flush();
      for (int i = 0; i < count; i++) {
        String result = "stored";
        try {
          sent.get(i).get();
        } catch (ExecutionException error) {
          result = error.getCause().getClass().getSimpleName();
        }
        OUT.print(i + " " + result + "\n");
      }
    }
  }

  private static void admin(String bootstrap, String topic) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      NewTopic wanted = new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "12345678"));
      admin.createTopics(List.of(wanted)).all().get();
      OUT.print("created\n");
      try {
        admin.createTopics(List.of(wanted)).all().get();
      } catch (ExecutionException error) {
        if (error.getCause() instanceof TopicExistsException) OUT.print("duplicate\n");
        else throw error;
      }
      OUT.print("partitions " + admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() + "\n");
      var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
      var config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
      OUT.print("retention.ms " + config.get("retention.ms").value() + "\n");
      admin.deleteTopics(List.of(topic)).all().get();
      while (admin.listTopics().names().get().contains(topic)) Thread.onSpinWait();
      OUT.print("deleted\n");
    }
  }
}

// Apache Kafka's own client as idempotent producers that write numbered records until SIGTERM: `stream` of ../README.md.
//
//    java -cp 'JARS/*:CLASSES' Stream java stream 127.0.0.1:9092 topic:0:zstd

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Stream implements Runnable {
  private static final int IN_FLIGHT_MAX = 40;
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  private static final byte[] NOISE = noise();
  private static final int BLANKS = 200;

  private static volatile boolean stopped;

  private final String bootstrap;
  private final String topic;
  private final int partition;
  private final String codec;

  private Stream(String bootstrap, String[] target) {
    this.bootstrap = bootstrap;
    topic = target[0];
    partition = Integer.parseInt(target[1]);
    codec = target[2];
  }

  public static void main(String[] args) throws Exception {
    List<Thread> threads = new ArrayList<>();
    for (int i = 3; i < args.length; i++) threads.add(new Thread(new Stream(args[2], args[i].split(":"))));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      stopped = true;
      try {
        for (Thread thread : threads) thread.join();
      } catch (InterruptedException error) {
        throw new IllegalStateException(error);
      }
      OUT.print("closed\n");
      OUT.flush();
    }));
    for (Thread thread : threads) thread.start();
  }

  @Override
  public void run() {
    Map<String, Object> config = Map.of(
        "bootstrap.servers", bootstrap, "compression.type", codec, "enable.idempotence", "true", "linger.ms", "2",
        "batch.size", "4096", "reconnect.backoff.max.ms", "200", "delivery.timeout.ms", "300000");
    var inFlight = new Semaphore(IN_FLIGHT_MAX);
    int number = 0;
    try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (; !stopped; number++) {
        inFlight.acquire();
        send(producer, number, inFlight);
      }
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
    OUT.print("sent " + topic + " " + partition + " " + number + "\n");
  }

  private void send(KafkaProducer<byte[], byte[]> producer, int number, Semaphore inFlight) {
    producer.send(new ProducerRecord<>(topic, partition, null, value(number)), (metadata, error) -> {
      String at = topic + " " + partition + " ";
      if (error != null) OUT.print("failed " + at + number + " " + error.getClass().getSimpleName() + "\n");
      // A duplicate of a batch whose offset the broker no longer knows has none.
      else OUT.print("acknowledged " + at + (metadata.hasOffset() ? metadata.offset() : -1) + " " + number + "\n");
      inFlight.release();
    });
  }

  private static byte[] value(int number) {
    int length = number % 400 == 200 ? 120_000 : number % 50 * 20;
    byte[] head = (number + " ").getBytes(StandardCharsets.UTF_8);
    byte[] value = Arrays.copyOf(head, head.length + length + BLANKS);
    System.arraycopy(NOISE, number % 1000, value, head.length, length);
    Arrays.fill(value, head.length + length, value.length, (byte) ' ');
    return value;
  }

  private static byte[] noise() {
    byte[] letters = new byte[130_000];
    long state = 1;
    for (int i = 0; i < letters.length; i++) {
      state = (state * 1103515245 + 12345) & 0x7fffffff;
      letters[i] = (byte) ('a' + (state >> 16) % 16);
    }
    return letters;
  }
}

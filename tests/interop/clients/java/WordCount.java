// Kafka Streams: counts the words of one topic into another, with a state store, until SIGTERM.
//
//    java -cp 'JARS/*:CLASSES' WordCount 127.0.0.1:9092 application input output STATE_DIRECTORY

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Produced;

public final class WordCount {
  public static void main(String[] args) throws Exception {
    Properties config = new Properties();
    config.putAll(Map.of(
        "bootstrap.servers", args[0], "application.id", args[1], "state.dir", args[4],
        "default.key.serde", Serdes.String().getClass().getName(),
        "default.value.serde", Serdes.String().getClass().getName(),
        "commit.interval.ms", "200", "statestore.cache.max.bytes", "0", "num.stream.threads", "1",
        "auto.offset.reset", "earliest"));
    config.putAll(Map.of("consumer.session.timeout.ms", "6000", "consumer.heartbeat.interval.ms", "300"));

    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, String>stream(args[2])
        .flatMapValues(line -> Arrays.asList(line.toLowerCase(Locale.ROOT).split(" ")))
        .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
        .count()
        .toStream()
        .mapValues(count -> String.valueOf(count))
        .to(args[3], Produced.with(Serdes.String(), Serdes.String()));

    CountDownLatch closed = new CountDownLatch(1);
    KafkaStreams streams = new KafkaStreams(builder.build(), config);
    streams.setStateListener((next, before) -> System.out.println("state " + next));
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      streams.close();
      closed.countDown();
    }));
    streams.start();
    closed.await();
  }
}

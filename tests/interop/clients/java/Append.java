// Appends single batches to logs of Apache Kafka, many in one JVM, and prints what became of them. A line of standard input is
//
//    API version of Produce · time in ms · topic configs "a=b;c=d" · the batch in base64        (with tabs between them)
//
// and each batch gets a new log. A line of the output is
//
//    error code · its message · record errors "index=message" · stored bytes · offset and timestamp that a search by the largest
//    timestamp finds                                                  (texts and bytes in base64; record errors with commas between)
//
//    java -cp 'JARS/*:CLASSES' Append

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.ListOffsetsRequest;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.requests.ProduceResponse.RecordError;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.server.util.Scheduler;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.RecordValidationException;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

public final class Append {
  /** A clock that stands still. */
  private record Still(long milliseconds) implements Time {
    @Override public long nanoseconds() {
      return milliseconds * 1_000_000;
    }

    @Override public void sleep(long ms) {}

    @Override public void waitObject(Object object, Supplier<Boolean> condition, long deadlineMs) {}
  }

  /** Runs nothing before the process ends: no file is deleted or flushed later. */
  private static final class Never implements Scheduler {
    private final ScheduledThreadPoolExecutor later = new ScheduledThreadPoolExecutor(0);

    @Override public void startup() {}

    @Override public void shutdown() {
      later.shutdownNow();
    }

    @Override public ScheduledFuture<?> schedule(String name, Runnable task, long delayMs, long periodMs) {
      return later.schedule(task, 1000, TimeUnit.DAYS);
    }

    @Override public void resizeThreadPool(int newSize) {}
  }

  public static void main(String[] args) throws Exception {
    var never = new Never();
    File root = Files.createTempDirectory("barnabas-append").toFile();
    try (var stats = new BrokerTopicStats()) {
      var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        System.out.println(append(new File(root, "t-4"), never, stats, line.split("\t", -1)));
      }
    } finally {
      never.shutdown();
      Utils.delete(root);
    }
  }

  private static String append(File directory, Never never, BrokerTopicStats stats, String[] words) throws Exception {
    var configs = new HashMap<String, String>();
    for (String pair : words[2].split(";")) {
      if (!pair.isEmpty()) configs.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
    }
    Files.createDirectory(directory.toPath());
    UnifiedLog log = UnifiedLog.create(directory, new LogConfig(configs), 0, 0, never, stats,
        new Still(Long.parseLong(words[1])), 60_000, new ProducerStateManagerConfig(86_400_000, false), 60_000,
        new LogDirFailureChannel(1), true, Optional.empty());
    Errors error = Errors.NONE;
    String message = "";
    List<RecordError> recordErrors = List.of();
    try {
      var records = MemoryRecords.readableRecords(ByteBuffer.wrap(Base64.getDecoder().decode(words[3])));
      ProduceRequest.validateRecords(Short.parseShort(words[0]), records);
      log.appendAsLeader(records, 0);
    } catch (RecordValidationException refused) {
      ApiException cause = refused.invalidException();
      error = Errors.forException(cause);
      message = cause.getMessage();
      recordErrors = refused.recordErrors();
    } catch (Throwable refused) {
      error = Errors.forException(refused);
      message = refused.toString();
    }
    String largest = largest(log);
    byte[] stored = Files.readAllBytes(new File(directory, "00000000000000000000.log").toPath());
    log.close();
    Utils.delete(directory);
    var named = new ArrayList<String>();
    for (RecordError one : recordErrors) named.add(one.batchIndex + "=" + base64(text(one.message)));
    return String.join("\t", error.name(), base64(text(message)), String.join(",", named), base64(stored), largest);
  }

  /** What a search by the largest timestamp finds; Kafka stores batches that it cannot read afterwards. */
  private static String largest(UnifiedLog log) {
    try {
      var found = log.fetchOffsetByTimestamp(ListOffsetsRequest.MAX_TIMESTAMP, Optional.empty());
      return found.timestampAndOffsetOpt().map(it -> it.offset + " " + it.timestamp).orElse("");
    } catch (RuntimeException unreadable) {
      return "unreadable: " + unreadable.getClass().getSimpleName();
    }
  }

  private static byte[] text(String value) {
    return value == null ? new byte[0] : value.getBytes(StandardCharsets.UTF_8);
  }

  private static String base64(byte[] bytes) {
    return Base64.getEncoder().encodeToString(bytes);
  }
}

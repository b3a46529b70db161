// Runs the pages of consoles that are written in Java, many in one JVM. Each prints one line: the console, the page and what it shows,
// with tabs between them. Where the console would show an error instead, that is "error", its class and its message.
//
//    java -cp 'JARS/*:CLASSES' Pages 127.0.0.1:9092 kafka-ui akhq

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.common.KafkaFuture;

public final class Pages {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  private static final long PATIENCE_NS = 10_000_000_000L;

  /** What a page asks the cluster, and the text that it makes of the answers. */
  interface Page {
    String show() throws Exception;
  }

  private final String console;

  private Pages(String console) {
    this.console = console;
  }

  public static void main(String[] args) throws Exception {
    for (int i = 1; i < args.length; i++) {
      Pages pages = new Pages(args[i]);
      switch (args[i]) {
        case "kafka-ui" -> new KafkaUi(args[0], pages).run();
        case "akhq" -> new Akhq(args[0], pages).run();
        default -> throw new IllegalArgumentException(args[i]);
      }
    }
  }

  /** Shows a page. */
  void page(String name, Page page) {
    String shown;
    try {
      shown = page.show();
    } catch (Exception error) {
      Throwable cause = unwrapped(error);
      shown = "error " + cause.getClass().getSimpleName() + ": " + cause.getMessage();
    }
    OUT.print(console + "\t" + name + "\t" + shown + "\n");
    pause();
  }

  /** Kafka shows a change a moment after it has acknowledged it. */
  private static void pause() {
    try {
      Thread.sleep(Long.parseLong(System.getenv().getOrDefault("PAUSE_MS", "0")));
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  /** Waits for an answer; what went wrong is thrown without the wrapper of the future. */
  static <T> T answer(KafkaFuture<T> future) throws Exception {
    try {
      return future.get();
    } catch (ExecutionException error) {
      throw error.getCause() instanceof Exception cause ? cause : error;
    }
  }

  /** Asks again until it is so: Kafka answers before all of its brokers show a change. */
  static void until(Callable<Boolean> isSo) throws Exception {
    long end = System.nanoTime() + PATIENCE_NS;
    while (!isSo.call()) {
      if (System.nanoTime() > end) throw new IllegalStateException("what was changed does not show");
      Thread.sleep(10);
    }
  }

  static Throwable unwrapped(Throwable error) {
    boolean isWrapper = error instanceof ExecutionException || error instanceof CompletionException;
    return isWrapper && error.getCause() != null ? unwrapped(error.getCause()) : error;
  }

  /** A text of a record; null stays null. */
  static byte[] bytes(String text) {
    return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
  }

  /** `name=value` for each entry, in the order of the names. */
  static String sorted(Map<?, ?> entries) {
    Map<String, Object> byName = new TreeMap<>();
    entries.forEach((name, value) -> byName.put(String.valueOf(name), value));
    return byName.entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).collect(Collectors.joining(" "));
  }

  static String sorted(Collection<?> values) {
    return values.stream().map(String::valueOf).sorted().collect(Collectors.joining(" "));
  }
}

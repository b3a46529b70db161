// Command-line tools of Apache Kafka, many calls in one JVM: a line of standard input is a class name and its arguments, with tabs
// between them. Prints what the tool prints, then a line "exit CODE".
//
//    java -cp 'JARS/*:CLASSES' Tools

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

public final class Tools {
  /** A tool that ends the process ends here instead. */
  private static final class Ended extends Error {
    final int code;

    Ended(int code) {
      this.code = code;
    }
  }

  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(out);
    System.setErr(out);
    Exit.Procedure end = (code, message) -> {
      throw new Ended(code);
    };
    Exit.setExitProcedure(end);
    Exit.setHaltProcedure(end);
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split("\t");
      int code = run(words[0], Arrays.copyOfRange(words, 1, words.length));
      out.print("exit " + code + "\n");
    }
  }

  private static int run(String tool, String[] args) throws Exception {
    try {
      Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) args);
      return 0;
    } catch (InvocationTargetException error) {
      for (Throwable cause = error; cause != null; cause = cause.getCause()) {
        if (cause instanceof Ended ended) return ended.code;
      }
      error.getCause().printStackTrace();
      return 1;
    }
  }
}

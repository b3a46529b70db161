// Command-line tools of Apache Kafka, many calls in one JVM: a line of standard input is a class name and its arguments, with tabs
// between them. Prints what the tool prints, then a line "exit CODE".
//
//    java -cp 'JARS/*:CLASSES' Tools

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

public final class Tools {
  /** A tool that ends the process ends here instead; some catch it. */
  private static final class Ended extends Error {}

  private static final PrintStream NOWHERE = new PrintStream(OutputStream.nullOutputStream());

  /** How the tool ended the process; null while it has not. */
  private static volatile Integer ended;

  public static void main(String[] args) throws Exception {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    Exit.Procedure end = (code, message) -> {
      if (ended == null) ended = code;
      printTo(NOWHERE);
      throw new Ended();
    };
    Exit.setExitProcedure(end);
    Exit.setHaltProcedure(end);
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] words = line.split("\t");
      ended = null;
      printTo(out);
      int code = run(words[0], Arrays.copyOfRange(words, 1, words.length));
      out.print("exit " + code + "\n");
    }
  }

  private static int run(String tool, String[] args) throws Exception {
    try {
      Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) args);
      return ended == null ? 0 : ended;
    } catch (InvocationTargetException error) {
      if (ended != null) return ended;
      error.getCause().printStackTrace();
      return 1;
    }
  }

  private static void printTo(PrintStream stream) {
    System.setOut(stream);
    System.setErr(stream);
  }
}

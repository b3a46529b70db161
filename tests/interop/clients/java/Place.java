// Places partitions by the replica placer of Apache Kafka, many topics in one JVM, and prints the replicas. A line of standard input is
//
//    N · replicas of a partition · partitions · brokers "id/rack/state,…"                           (with tabs between them)
//
// where the rack may be empty and the state is active or fenced. Each random integer below a bound is N modulo the bound: the order in which
// the placer asks for them, which is that of a HashMap, makes no difference. A line of the output is
//
//    placed · replicas "1,2;2,3"          or          refused · the message
//
//    java -cp 'JARS/*:CLASSES' Place

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import org.apache.kafka.common.DirectoryId;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.metadata.placement.ClusterDescriber;
import org.apache.kafka.metadata.placement.PartitionAssignment;
import org.apache.kafka.metadata.placement.PlacementSpec;
import org.apache.kafka.metadata.placement.StripedReplicaPlacer;
import org.apache.kafka.metadata.placement.UsableBroker;

public final class Place {
  /** Always the same integer, as far as the bound allows. */
  private static final class Chosen extends Random {
    private final int number;

    Chosen(int number) {
      this.number = number;
    }

    @Override public int nextInt(int bound) {
      return number % bound;
    }
  }

  /** The brokers of a cluster. */
  private record Brokers(List<UsableBroker> usable) implements ClusterDescriber {
    @Override public Iterator<UsableBroker> usableBrokers() {
      return usable.iterator();
    }

    @Override public Uuid defaultDir(int brokerId) {
      return DirectoryId.UNASSIGNED;
    }
  }

  public static void main(String[] args) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      System.out.println(place(line.split("\t", -1)));
    }
  }

  private static String place(String[] words) {
    var brokers = new ArrayList<UsableBroker>();
    for (String broker : words[3].split(",")) {
      String[] parts = broker.split("/", -1);
      Optional<String> rack = parts[1].isEmpty() ? Optional.empty() : Optional.of(parts[1]);
      brokers.add(new UsableBroker(Integer.parseInt(parts[0]), rack, parts[2].equals("fenced")));
    }
    try {
      var spec = new PlacementSpec(0, Integer.parseInt(words[2]), Short.parseShort(words[1]));
      var placed = new StripedReplicaPlacer(new Chosen(Integer.parseInt(words[0]))).place(spec, new Brokers(brokers));
      return "placed\t" + placed.assignments().stream().map(Place::replicas).collect(Collectors.joining(";"));
    } catch (InvalidReplicationFactorException refused) {
      return "refused\t" + refused.getMessage();
    }
  }

  private static String replicas(PartitionAssignment partition) {
    return partition.replicas().stream().map(String::valueOf).collect(Collectors.joining(","));
  }
}

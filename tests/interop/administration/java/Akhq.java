// The pages of AKHQ (tchiotludo/akhq 0.25) on a cluster: what its controllers and repositories ask, in their order. The classes and methods
// that a page mirrors stand behind it.

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;

final class Akhq {
  private static final String TOPIC = "akhq-orders";
  private static final String GROUP = "akhq-billing";
  private static final String NODE = "1";
  /** akhq.topic-data.poll-timeout. */
  private static final long POLL_TIMEOUT_MS = 10_000;

  private final Pages pages;
  private final AkhqCluster cluster;
  /** Time of the first record. */
  private final long start = System.currentTimeMillis();

  Akhq(String bootstrap, Pages pages) {
    this.pages = pages;
    this.cluster = new AkhqCluster(bootstrap);
  }

  void run() {
    try (cluster) {
      topics();
      records();
      groups();
      nodes();
      removal();
    }
  }

  private void topics() {
    // TopicController.create
    pages.page("create topic", () -> {
      cluster.createTopics(TOPIC, 1, (short) 1, Map.of("cleanup.policy", "compact,delete", "retention.ms", "86400000"));
      awaitTopic();
      return topic(TOPIC);
    });
    // TopicController.increasePartition
    pages.page("add partitions", () -> {
      cluster.alterTopicPartition(TOPIC, 2);
      Pages.until(() -> cluster.describeTopics(List.of(TOPIC)).get(TOPIC).partitions().size() == 2);
      return topic(TOPIC);
    });
    // TopicController.config and updateConfig: the legacy AlterConfigs
    pages.page("topic settings", () -> settings(ConfigResource.Type.TOPIC, TOPIC));
    pages.page("edit topic settings", () -> {
      cluster.alterConfigs(ConfigResource.Type.TOPIC, TOPIC, Map.of("retention.ms", "7200000", "segment.bytes", "2097152"));
      return settings(ConfigResource.Type.TOPIC, TOPIC);
    });
    pages.page("reset a topic setting", () -> {
      cluster.alterConfigs(ConfigResource.Type.TOPIC, TOPIC, Map.of("segment.bytes", ""));
      return settings(ConfigResource.Type.TOPIC, TOPIC);
    });
    pages.page("edit topic settings wrongly", () -> {
      cluster.alterConfigs(ConfigResource.Type.TOPIC, TOPIC, Map.of("segment.bytes", "1"));
      return settings(ConfigResource.Type.TOPIC, TOPIC);
    });
    // TopicController.acls
    pages.page("access control lists of a topic", () -> Pages.sorted(cluster.describeAcls(new AclBindingFilter(
        new ResourcePatternFilter(ResourceType.TOPIC, TOPIC, PatternType.ANY), AccessControlEntryFilter.ANY))));
  }

  /** TopicRepository.checkIfTopicExists tries until it is there. */
  private void awaitTopic() throws Exception {
    Pages.until(() -> cluster.listTopics().contains(TOPIC));
  }

  /** TopicRepository.findByName, and the models Topic and Partition: a partition without a leader or offsets fails. */
  private String topic(String name) throws Exception {
    var topic = cluster.describeTopics(List.of(name)).get(name);
    var offsets = cluster.describeTopicsOffsets(List.of(name)).get(name);
    var sizes = cluster.sizesOf(name);
    List<String> shown = new ArrayList<>();
    for (var partition : topic.partitions()) {
      var found = AkhqCluster.Offsets.of(offsets, partition.partition());
      boolean isLed = partition.leader().id() == partition.replicas().get(0).id();
      shown.add(partition.partition() + ": " + found.first() + " to " + found.last() + ", leader " + isLed + ", in sync "
          + (partition.isr().size() == partition.replicas().size()) + ", bytes " + (sizes.getOrDefault(partition.partition(), -1L) > 0));
    }
    return String.join("; ", shown);
  }

  /** Without min.insync.replicas, which Kafka 4.3 sets for the cluster itself (KIP-966). */
  private String settings(ConfigResource.Type type, String name) throws Exception {
    return cluster.configsOf(type, name).stream().filter(entry -> entry.source().name().startsWith("DYNAMIC_"))
        .filter(entry -> !entry.name().equals("min.insync.replicas"))
        .map(entry -> entry.name() + "=" + entry.value()).sorted().collect(Collectors.joining(" "));
  }

  private void records() {
    // TopicController.produce and RecordRepository.produce
    pages.page("produce", () -> {
      List<String> stored = new ArrayList<>();
      for (int i = 0; i < 6; i++) stored.add(produce(i % 2, "key-" + i, "value-" + i, start + i));
      return String.join(" ", stored);
    });
    pages.page("topic", () -> topic(TOPIC));
    pages.page("last records", this::lastRecord);
    pages.page("data, oldest first", () -> oldest(null));
    pages.page("data, newest first", this::newest);
    pages.page("data from a time", () -> oldest(start + 3));
    pages.page("record", this::singleRecord);
    // TopicController.offsetsStart and RecordRepository.getOffsetForTime
    pages.page("offsets of a time", () -> {
      try (var consumer = cluster.getConsumer(Map.of())) {
        Map<TopicPartition, Long> found = new HashMap<>();
        consumer.offsetsForTimes(partitions().stream().collect(Collectors.toMap(partition -> partition, partition -> start + 3)))
            .forEach((partition, offset) -> found.put(partition, offset.offset()));
        return Pages.sorted(found);
      }
    });
    // RecordRepository.delete: a tombstone
    pages.page("delete record", () -> produce(0, "key-0", null, null));
  }

  private static List<TopicPartition> partitions() {
    return List.of(new TopicPartition(TOPIC, 0), new TopicPartition(TOPIC, 1));
  }

  private String produce(int partition, String key, String value, Long time) throws Exception {
    var headers = List.<Header>of(new RecordHeader("by", Pages.bytes("akhq")));
    var stored = cluster.producer.send(new ProducerRecord<>(TOPIC, partition, time, Pages.bytes(key), Pages.bytes(value), headers)).get();
    return stored.partition() + ":" + stored.offset();
  }

  /** RecordRepository.poll: the call that waits for metadata, too. */
  @SuppressWarnings("deprecation")
  private static Iterable<ConsumerRecord<byte[], byte[]>> poll(KafkaConsumer<byte[], byte[]> consumer) {
    return consumer.poll(POLL_TIMEOUT_MS);
  }

  private static String shown(Collection<ConsumerRecord<byte[], byte[]>> records) {
    Map<String, String> shown = new TreeMap<>();
    for (var record : records) {
      String value = record.value() == null ? "null" : new String(record.value(), StandardCharsets.UTF_8);
      String header = new String(record.headers().lastHeader("by").value(), StandardCharsets.UTF_8);
      shown.put(record.partition() + ":" + record.offset(), new String(record.key(), StandardCharsets.UTF_8) + "/" + value + "/" + header);
    }
    return Pages.sorted(shown);
  }

  /** RecordRepository.getLastRecord. */
  private String lastRecord() throws Exception {
    cluster.describeTopicsOffsets(List.of(TOPIC));
    try (var consumer = cluster.getConsumer(Map.of())) {
      consumer.assign(partitions());
      consumer.endOffsets(consumer.assignment()).forEach((partition, end) -> consumer.seek(partition, Math.max(0, end - 2)));
      boolean found = poll(consumer).iterator().hasNext();
      return found ? "found" : "none";
    }
  }

  /** RecordRepository.consumeOldest: a consumer for each partition; with a time: getFirstOffset. */
  private String oldest(Long time) throws Exception {
    List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
    for (var partition : partitions()) {
      var offsets = cluster.describeTopicsOffsets(List.of(TOPIC)).get(TOPIC);
      long first = AkhqCluster.Offsets.of(offsets, partition.partition()).first();
      try (var consumer = cluster.getConsumer(Map.of("max.poll.records", "50"))) {
        if (time != null) first = consumer.offsetsForTimes(Map.of(partition, time)).get(partition).offset();
        consumer.assign(List.of(partition));
        consumer.seek(partition, first);
        poll(consumer).forEach(records::add);
      }
    }
    return shown(records);
  }

  /** RecordRepository.consumeNewest: up to the offset that was the last. */
  private String newest() throws Exception {
    List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
    for (var offsets : cluster.describeTopicsOffsets(List.of(TOPIC)).get(TOPIC)) {
      long last = offsets.last() - 1;
      long first = Math.max(offsets.first(), last - 2 + 1);
      var partition = new TopicPartition(TOPIC, offsets.partition());
      try (var consumer = cluster.getConsumer(Map.of("max.poll.records", "2"))) {
        consumer.assign(List.of(partition));
        consumer.seek(partition, first);
        for (boolean isDone = false; !isDone;) {
          isDone = true;
          for (var record : poll(consumer)) {
            records.add(record);
            isDone = record.offset() >= last;
          }
        }
      }
    }
    return shown(records);
  }

  /** RecordRepository.consumeSingleRecord. */
  private String singleRecord() throws Exception {
    var partition = new TopicPartition(TOPIC, 1);
    try (var consumer = cluster.getConsumer(Map.of("max.poll.records", "1"))) {
      consumer.assign(List.of(partition));
      consumer.seek(partition, 1);
      return shown(List.of(poll(consumer).iterator().next()));
    }
  }

  private void groups() {
    try (var member = cluster.getConsumer(Map.of("group.id", GROUP, "auto.offset.reset", "earliest"))) {
      member.subscribe(List.of(TOPIC));
      for (int records = 0; records < 7;) for (var record : poll(member)) records++;
      member.commitSync();
      pages.page("groups", () -> groups(groupNames()));
      // ConsumerGroupRepository.findActiveByTopics: the column of the list of topics
      pages.page("groups of topics", () -> {
        var described = cluster.describeConsumerGroups(groupNames()).values().stream()
            .filter(group -> group.members().stream().flatMap(each -> each.assignment().topicPartitions().stream())
                .anyMatch(partition -> partition.topic().equals(TOPIC))).map(group -> group.groupId()).toList();
        return groups(described);
      });
      pages.page("members", () -> cluster.describeConsumerGroups(List.of(GROUP)).get(GROUP).members().stream()
          .map(each -> each.clientId().replaceAll("\\d+$", "N") + " " + each.host() + " " + Pages.sorted(each.assignment().topicPartitions()))
          .collect(Collectors.joining("; ")));
      pages.page("delete an active group", () -> {
        cluster.deleteConsumerGroups(GROUP);
        return "deleted";
      });
    }
    // ConsumerGroupRepository.updateOffsets: a consumer that never joins commits
    pages.page("update offsets", () -> {
      try (var consumer = cluster.getConsumer(Map.of("group.id", GROUP))) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        partitions().forEach(partition -> offsets.put(partition, new OffsetAndMetadata(1)));
        consumer.commitSync(offsets);
      }
      return groups(List.of(GROUP));
    });
    pages.page("delete offsets", () -> {
      cluster.deleteConsumerGroupOffsets(GROUP, TOPIC);
      return groups(List.of(GROUP));
    });
    pages.page("delete group", () -> {
      cluster.deleteConsumerGroups(GROUP);
      return "groups " + Pages.sorted(groupNames());
    });
  }

  private List<String> groupNames() throws Exception {
    return cluster.listConsumerGroups().stream().filter(name -> name.startsWith("akhq-")).toList();
  }

  /** ConsumerGroupRepository.findByName, and the models ConsumerGroup and ConsumerGroupOffset. */
  private String groups(List<String> names) throws Exception {
    var described = cluster.describeConsumerGroups(names);
    Map<String, Map<TopicPartition, OffsetAndMetadata>> committed = new HashMap<>();
    for (String name : described.keySet()) committed.put(name, cluster.consumerGroupsOffsets(name));
    var topics = new TreeSet<String>();
    committed.values().forEach(offsets -> offsets.keySet().forEach(partition -> topics.add(partition.topic())));
    var ends = cluster.describeTopicsOffsets(List.copyOf(topics));
    Map<String, String> shown = new TreeMap<>();
    for (var group : described.values()) {
      Map<TopicPartition, String> offsets = new HashMap<>();
      committed.get(group.groupId()).forEach((partition, offset) -> {
        long end = AkhqCluster.Offsets.of(ends.get(partition.topic()), partition.partition()).last();
        offsets.put(partition, offset.offset() + " of " + end + " " + offset.metadata().length());
      });
      shown.put(group.groupId(), group.state() + " " + group.partitionAssignor() + " simple " + group.isSimpleConsumerGroup()
          + " coordinator " + (group.coordinator().port() > 0) + " members " + group.members().size() + " {" + Pages.sorted(offsets) + "}");
    }
    return Pages.sorted(shown);
  }

  private void nodes() {
    pages.page("nodes", () -> {
      var result = cluster.describeCluster();
      return result.nodes().get().size() + ", controller among them " + result.nodes().get().contains(result.controller().get());
    });
    // NodeController.nodePartitions: every topic that is not internal
    pages.page("partitions of nodes", () -> {
      for (String name : cluster.listTopics()) if (!name.startsWith("_")) topic(name);
      return "shown";
    });
    pages.page("logs of a node", () -> {
      long found = cluster.describeLogDir().get(1).values().stream().flatMap(directory -> directory.replicaInfos().keySet().stream())
          .filter(partition -> partition.topic().equals(TOPIC)).count();
      return found > 0 ? "shown" : "missing";
    });
    pages.page("settings of a node", () -> {
      Collection<ConfigEntry> entries = cluster.configsOf(ConfigResource.Type.BROKER, NODE);
      return (entries.size() > 100) + " " + settings(ConfigResource.Type.BROKER, NODE);
    });
    pages.page("edit settings of a node", () -> {
      cluster.alterConfigs(ConfigResource.Type.BROKER, NODE, Map.of("log.retention.ms", "43200000"));
      Pages.until(() -> settings(ConfigResource.Type.BROKER, NODE).equals("log.retention.ms=43200000"));
      return settings(ConfigResource.Type.BROKER, NODE);
    });
    pages.page("reset a setting of a node", () -> {
      cluster.alterConfigs(ConfigResource.Type.BROKER, NODE, Map.of("log.retention.ms", ""));
      Pages.until(() -> settings(ConfigResource.Type.BROKER, NODE).isEmpty());
      return "default";
    });
    pages.page("access control lists", () -> Pages.sorted(cluster.describeAcls(AclBindingFilter.ANY)));
  }

  private void removal() {
    // RecordRepository.emptyTopic
    pages.page("empty topic", () -> {
      Map<TopicPartition, RecordsToDelete> all = new HashMap<>();
      for (var offsets : cluster.describeTopicsOffsets(List.of(TOPIC)).get(TOPIC)) {
        all.put(new TopicPartition(TOPIC, offsets.partition()), RecordsToDelete.beforeOffset(offsets.last()));
      }
      cluster.deleteRecords(all);
      return "emptied";
    });
    pages.page("delete topic", () -> {
      cluster.deleteTopics(TOPIC);
      Pages.until(() -> !cluster.listTopics().contains(TOPIC));
      return "deleted";
    });
    pages.page("a topic that is not there", () -> topic(TOPIC));
  }
}

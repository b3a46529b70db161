// What AKHQ asks a cluster: the calls of the classes AbstractKafkaWrapper, ConfigRepository, LogDirRepository and KafkaModule of
// tchiotludo/akhq 0.25, with the errors that they forgive. Methods have the names of those classes.

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class AkhqCluster implements AutoCloseable {
  /** Partition.Offsets. */
  record Offsets(int partition, long first, long last) {
    /** Those of one partition. */
    static Offsets of(List<Offsets> all, int partition) {
      return all.stream().filter(each -> each.partition == partition).findFirst().orElseThrow();
    }
  }

  private final String bootstrap;
  private final AdminClient client;
  final KafkaProducer<byte[], byte[]> producer;

  AkhqCluster(String bootstrap) {
    this.bootstrap = bootstrap;
    this.client = AdminClient.create(Map.of("bootstrap.servers", bootstrap));
    this.producer = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap), new ByteArraySerializer(), new ByteArraySerializer());
  }

  /** KafkaModule.getConsumer, with the defaults of application.yml. */
  KafkaConsumer<byte[], byte[]> getConsumer(Map<String, String> more) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.put("max.poll.records", "25000");
    properties.put("isolation.level", "read_committed");
    properties.put("enable.auto.commit", "false");
    properties.put("default.api.timeout.ms", "15000");
    properties.putAll(more);
    return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  DescribeClusterResult describeCluster() throws Exception {
    DescribeClusterResult cluster = client.describeCluster();
    Pages.answer(cluster.clusterId());
    Pages.answer(cluster.nodes());
    Pages.answer(cluster.controller());
    return cluster;
  }

  List<String> listTopics() throws Exception {
    var listings = Pages.answer(client.listTopics(new ListTopicsOptions().listInternal(true)).listings());
    return listings.stream().map(listing -> listing.name()).sorted().toList();
  }

  /** By the call that Kafka 4.0 has removed from its client; of a topic that is not there, all fail. */
  @SuppressWarnings("deprecation")
  Map<String, TopicDescription> describeTopics(List<String> topics) throws Exception {
    return Pages.answer(client.describeTopics(topics).all());
  }

  /** The first offset is that of time 0, because of KAFKA-7556. */
  Map<String, List<Offsets>> describeTopicsOffsets(List<String> topics) throws Exception {
    if (topics.isEmpty()) return Map.of();
    var partitions = describeTopics(topics).values().stream()
        .flatMap(topic -> topic.partitions().stream().map(partition -> new TopicPartition(topic.name(), partition.partition())))
        .toList();
    try (var consumer = getConsumer(Map.of())) {
      var begins = consumer.offsetsForTimes(partitions.stream().collect(Collectors.toMap(partition -> partition, partition -> 0L)));
      var ends = consumer.endOffsets(partitions);
      Map<String, List<Offsets>> found = new HashMap<>();
      begins.forEach((partition, begin) -> found.computeIfAbsent(partition.topic(), topic -> new ArrayList<>()).add(
          new Offsets(partition.partition(), begin != null ? begin.offset() : ends.get(partition), ends.get(partition))));
      return found;
    }
  }

  void createTopics(String name, int partitions, short replicationFactor, Map<String, String> configs) throws Exception {
    Pages.answer(client.createTopics(Set.of(new NewTopic(name, partitions, replicationFactor).configs(configs))).all());
  }

  void alterTopicPartition(String name, int partitions) throws Exception {
    Pages.answer(client.createPartitions(Map.of(name, NewPartitions.increaseTo(partitions))).all());
  }

  void deleteTopics(String name) throws Exception {
    Pages.answer(client.deleteTopics(Set.of(name)).all());
  }

  List<String> listConsumerGroups() throws Exception {
    return Pages.answer(client.listConsumerGroups().all()).stream().map(listing -> listing.groupId()).sorted().toList();
  }

  Map<String, ConsumerGroupDescription> describeConsumerGroups(List<String> groups) throws Exception {
    return groups.isEmpty() ? Map.of() : Pages.answer(client.describeConsumerGroups(groups).all());
  }

  Map<TopicPartition, OffsetAndMetadata> consumerGroupsOffsets(String group) throws Exception {
    return Pages.answer(client.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
  }

  void deleteConsumerGroups(String group) throws Exception {
    Pages.answer(client.deleteConsumerGroups(Set.of(group)).all());
  }

  void deleteConsumerGroupOffsets(String group, String topic) throws Exception {
    var partitions = describeTopics(List.of(topic)).get(topic).partitions().stream()
        .map(partition -> new TopicPartition(topic, partition.partition())).collect(Collectors.toSet());
    Pages.answer(client.deleteConsumerGroupOffsets(group, partitions).all());
  }

  Map<Integer, Map<String, LogDirDescription>> describeLogDir() throws Exception {
    try {
      var brokers = describeCluster().nodes().get().stream().map(Node::id).toList();
      return Pages.answer(client.describeLogDirs(brokers).allDescriptions());
    } catch (ClusterAuthorizationException | TopicAuthorizationException | UnsupportedVersionException | TimeoutException error) {
      return Map.of();
    }
  }

  /** LogDirRepository.findByTopic: the sizes of a topic's partitions. */
  Map<Integer, Long> sizesOf(String topic) throws Exception {
    Map<Integer, Long> sizes = new HashMap<>();
    describeLogDir().values().forEach(directories -> directories.values().forEach(directory ->
        directory.replicaInfos().forEach((partition, info) -> {
          if (partition.topic().equals(topic)) sizes.put(partition.partition(), info.size());
        })));
    return sizes;
  }

  Map<ConfigResource, Config> describeConfigs(ConfigResource.Type type, List<String> names) throws Exception {
    try {
      return Pages.answer(client.describeConfigs(names.stream().map(name -> new ConfigResource(type, name)).toList()).all());
    } catch (SecurityDisabledException | ClusterAuthorizationException | TopicAuthorizationException error) {
      return Map.of();
    }
  }

  /** ConfigRepository.find. */
  Collection<ConfigEntry> configsOf(ConfigResource.Type type, String name) throws Exception {
    return describeConfigs(type, List.of(name)).get(new ConfigResource(type, name)).entries();
  }

  /** ConfigRepository.update: the legacy call names all that is set, and a blank value takes a setting away. */
  @SuppressWarnings("deprecation")
  void alterConfigs(ConfigResource.Type type, String name, Map<String, String> changes) throws Exception {
    List<ConfigEntry> entries = new ArrayList<>();
    for (ConfigEntry entry : configsOf(type, name)) {
      boolean isReset = changes.containsKey(entry.name()) && changes.get(entry.name()).isBlank();
      if (entry.source().name().startsWith("DYNAMIC_") && !isReset) entries.add(new ConfigEntry(entry.name(), entry.value()));
    }
    changes.forEach((setting, value) -> {
      if (!value.isBlank()) entries.add(new ConfigEntry(setting, value));
    });
    Pages.answer(client.alterConfigs(Map.of(new ConfigResource(type, name), new Config(entries))).all());
  }

  /** AbstractKafkaWrapper.describeAcls, which forgives nothing: its handler never sees the class that it waits for. */
  Collection<AclBinding> describeAcls(AclBindingFilter filter) throws Exception {
    return Pages.answer(client.describeAcls(filter).values());
  }

  /** RecordRepository.deleteRecords. */
  void deleteRecords(Map<TopicPartition, RecordsToDelete> records) throws Exception {
    for (var lowWatermark : client.deleteRecords(records).lowWatermarks().values()) Pages.answer(lowWatermark);
  }

  @Override
  public void close() {
    producer.close();
    client.close();
  }
}

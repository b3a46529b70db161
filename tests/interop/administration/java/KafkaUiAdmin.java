// What kafka-ui asks a cluster: the calls of the class ReactiveAdminClient of kafbat/kafka-ui (July 2026), with their options, in their
// chunks, and with the errors that they forgive. Methods have the names of that class.

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.UnknownServerException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.ResourcePatternFilter;

final class KafkaUiAdmin implements AutoCloseable {
  /** Things in a call: ClustersProperties.AdminClient, and listOffsetsUnsafe. */
  private static final int TOPICS_PER_CALL = 200;
  private static final int GROUPS_PER_CALL = 50;
  private static final int OFFSETS_PER_CALL = 200;

  /** ReactiveAdminClient.ClusterDescription. */
  record Cluster(Node controller, String clusterId, Collection<Node> nodes, Set<AclOperation> authorizedOperations) {}

  private interface Call<T, K, V> {
    Map<K, V> of(List<T> part) throws Exception;
  }

  private final Admin client;
  String version;
  boolean topicDeletionEnabled = true;
  final Set<String> features = new TreeSet<>();

  /** ReactiveAdminClient.create: ConfigRelatedInfo.extract, then SupportedFeature.forVersion. */
  KafkaUiAdmin(Admin client) throws Exception {
    this.client = client;
    Cluster cluster = describeCluster();
    int target = cluster.controller != null ? cluster.controller.id() : cluster.nodes.iterator().next().id();
    List<ConfigEntry> configs = loadBrokersConfig(List.of(target)).getOrDefault(target, List.of());
    for (ConfigEntry entry : configs) {
      if (entry.name().contains("inter.broker.protocol.version")) version = entry.value();
      if (entry.name().equals("delete.topic.enable") && entry.value() != null) {
        topicDeletionEnabled = Boolean.parseBoolean(entry.value());
      }
    }
    var metadataVersion = Pages.answer(client.describeFeatures().featureMetadata()).finalizedFeatures().get("metadata.version");
    if (version == null && metadataVersion != null) version = releaseOf(metadataVersion.maxVersionLevel());
    if (version != null) {
      float release = Float.parseFloat(version.split("-")[0]);
      if (release >= 2.3f) features.addAll(List.of("INCREMENTAL_ALTER_CONFIGS", "DESCRIBE_CLUSTER_INCLUDE_AUTHORIZED_OPERATIONS"));
      if (release >= 2.6f) features.addAll(List.of("CONFIG_DOCUMENTATION_RETRIEVAL", "CLIENT_QUOTA_MANAGEMENT"));
    }
    if (isAuthorizedSecurityEnabled()) features.add("AUTHORIZED_SECURITY_ENABLED");
  }

  /** MetadataVersion.findVersion, of the levels that brokers of today finalize; null: "Unknown", and with it no features. */
  private static String releaseOf(int level) {
    return Map.of(25, "4.0-IV3", 26, "4.1-IV0", 27, "4.1-IV1", 28, "4.2-IV0", 29, "4.2-IV1", 30, "4.3-IV0").get(level);
  }

  /** All errors mean that it is not enabled. */
  private boolean isAuthorizedSecurityEnabled() {
    try {
      Pages.answer(client.describeAcls(AclBindingFilter.ANY).values());
      return true;
    } catch (Exception error) {
      return false;
    }
  }

  Cluster describeCluster() throws Exception {
    boolean authorized = features.contains("DESCRIBE_CLUSTER_INCLUDE_AUTHORIZED_OPERATIONS");
    var result = client.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(authorized));
    Pages.answer(KafkaFuture.allOf(result.controller(), result.clusterId(), result.nodes(), result.authorizedOperations()));
    return new Cluster(result.controller().get(), result.clusterId().get(), result.nodes().get(), result.authorizedOperations().get());
  }

  Map<Integer, List<ConfigEntry>> loadBrokersConfig(List<Integer> ids) throws Exception {
    var resources = ids.stream().map(id -> new ConfigResource(ConfigResource.Type.BROKER, id.toString())).toList();
    try {
      Map<Integer, List<ConfigEntry>> found = new HashMap<>();
      Pages.answer(client.describeConfigs(resources).all())
          .forEach((resource, config) -> found.put(Integer.valueOf(resource.name()), List.copyOf(config.entries())));
      return found;
    } catch (InvalidRequestException | UnknownTopicOrPartitionException | ClusterAuthorizationException error) {
      return Map.of();
    }
  }

  Map<Integer, Map<String, LogDirDescription>> describeLogDirs(Collection<Integer> brokers) {
    try {
      return Pages.answer(client.describeLogDirs(brokers).allDescriptions());
    } catch (Exception error) {
      return Map.of(); // kafka-ui logs it, and shows no sizes
    }
  }

  QuorumInfo describeMetadataQuorum() throws Exception {
    return Pages.answer(client.describeMetadataQuorum().quorumInfo());
  }

  void updateBrokerConfigByName(int broker, String name, String value) throws Exception {
    var resource = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(broker));
    var op = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    Pages.answer(client.incrementalAlterConfigs(Map.of(resource, List.of(op))).all());
  }

  Set<String> listTopics(boolean listInternal) throws Exception {
    return Pages.answer(client.listTopics(new ListTopicsOptions().listInternal(listInternal)).names());
  }

  Map<String, TopicDescription> describeTopics(Collection<String> topics) throws Exception {
    return inParts(topics, TOPICS_PER_CALL, part -> withoutErrors(client.describeTopics(part).topicNameValues(),
        UnknownTopicOrPartitionException.class, TopicAuthorizationException.class));
  }

  /** Null if it is not visible. */
  TopicDescription describeTopic(String topic) throws Exception {
    return describeTopics(List.of(topic)).get(topic);
  }

  Map<String, List<ConfigEntry>> getTopicsConfig(Collection<String> topics, boolean withDocumentation) throws Exception {
    boolean documentation = withDocumentation && features.contains("CONFIG_DOCUMENTATION_RETRIEVAL");
    var options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(documentation);
    return inParts(topics, TOPICS_PER_CALL, part -> {
      var resources = part.stream().map(topic -> new ConfigResource(ConfigResource.Type.TOPIC, topic)).toList();
      Map<String, List<ConfigEntry>> found = new HashMap<>();
      withoutErrors(client.describeConfigs(resources, options).values(), UnknownTopicOrPartitionException.class,
          UnknownServerException.class, TopicAuthorizationException.class)
          .forEach((resource, config) -> found.put(resource.name(), List.copyOf(config.entries())));
      return found;
    });
  }

  void createTopic(String name, int partitions, Integer replicationFactor, Map<String, String> configs) throws Exception {
    var factor = Optional.ofNullable(replicationFactor).map(Integer::shortValue);
    var topic = new NewTopic(name, Optional.of(partitions), factor).configs(configs);
    Pages.answer(client.createTopics(List.of(topic)).all());
  }

  void createPartitions(String topic, int count) throws Exception {
    Pages.answer(client.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all());
  }

  void alterPartitionReassignments(Map<TopicPartition, Optional<NewPartitionReassignment>> replicas) throws Exception {
    Pages.answer(client.alterPartitionReassignments(replicas).all());
  }

  void deleteTopic(String topic) throws Exception {
    Pages.answer(client.deleteTopics(List.of(topic)).all());
  }

  /** Settings of the topic that are not named get their defaults: updateTopicConfig and incrementalAlterConfig. */
  void updateTopicConfig(String topic, Map<String, String> configs) throws Exception {
    if (!features.contains("INCREMENTAL_ALTER_CONFIGS")) throw new IllegalStateException("kafka-ui would use the legacy call");
    var current = getTopicsConfig(List.of(topic), false).getOrDefault(topic, List.of());
    var deleted = current.stream()
        .filter(entry -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
        .filter(entry -> !configs.containsKey(entry.name()))
        .map(entry -> new AlterConfigOp(entry, AlterConfigOp.OpType.DELETE));
    var set = configs.entrySet().stream()
        .map(entry -> new AlterConfigOp(new ConfigEntry(entry.getKey(), entry.getValue()), AlterConfigOp.OpType.SET));
    var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    Pages.answer(client.incrementalAlterConfigs(Map.of(resource, Stream.concat(deleted, set).toList())).all());
  }

  void deleteRecords(Map<TopicPartition, Long> offsets) throws Exception {
    Map<TopicPartition, RecordsToDelete> records = new HashMap<>();
    offsets.forEach((partition, offset) -> records.put(partition, RecordsToDelete.beforeOffset(offset)));
    Pages.answer(client.deleteRecords(records).all());
  }

  Collection<ConsumerGroupListing> listConsumerGroups() throws Exception {
    return Pages.answer(client.listConsumerGroups().all());
  }

  List<String> listConsumerGroupNames() throws Exception {
    return listConsumerGroups().stream().map(ConsumerGroupListing::groupId).toList();
  }

  Map<String, ConsumerGroupDescription> describeConsumerGroups(Collection<String> groups) throws Exception {
    return inParts(groups, GROUPS_PER_CALL, part -> Pages.answer(client.describeConsumerGroups(part).all()));
  }

  /** Committed offsets by group; null partitions: all. */
  Map<String, Map<TopicPartition, Long>> listConsumerGroupOffsets(List<String> groups, List<TopicPartition> partitions) throws Exception {
    return inParts(groups, GROUPS_PER_CALL, part -> {
      var specs = part.stream()
          .collect(Collectors.toMap(group -> group, group -> new ListConsumerGroupOffsetsSpec().topicPartitions(partitions)));
      Map<String, Map<TopicPartition, Long>> found = new HashMap<>();
      Pages.answer(client.listConsumerGroupOffsets(specs).all()).forEach((group, offsets) -> {
        Map<TopicPartition, Long> known = found.computeIfAbsent(group, name -> new HashMap<>());
        offsets.forEach((partition, offset) -> {
          if (offset != null) known.put(partition, offset.offset());
        });
      });
      return found;
    });
  }

  void alterConsumerGroupOffsets(String group, Map<TopicPartition, Long> offsets) throws Exception {
    Map<TopicPartition, OffsetAndMetadata> committed = new HashMap<>();
    offsets.forEach((partition, offset) -> committed.put(partition, new OffsetAndMetadata(offset)));
    Pages.answer(client.alterConsumerGroupOffsets(group, committed).all());
  }

  void deleteConsumerGroupOffsets(String group, String topic) throws Exception {
    var partitions = listConsumerGroupOffsets(List.of(group), null).getOrDefault(group, Map.of()).keySet().stream()
        .filter(partition -> partition.topic().equals(topic)).collect(Collectors.toSet());
    if (partitions.isEmpty()) throw new IllegalStateException("The topic or partition is unknown");
    Pages.answer(client.deleteConsumerGroupOffsets(group, partitions).all());
  }

  void deleteConsumerGroups(Collection<String> groups) throws Exception {
    try {
      Pages.answer(client.deleteConsumerGroups(groups).all());
    } catch (GroupIdNotFoundException error) {
      throw new IllegalStateException("The group id does not exist");
    }
  }

  /** listOffsets of topics, without those that have a partition that nobody leads. */
  Map<TopicPartition, Long> listOffsets(Collection<TopicDescription> topics, OffsetSpec spec) throws Exception {
    return listOffsetsUnsafe(led(topics, partition -> true, false), spec);
  }

  Map<TopicPartition, Long> listOffsets(Set<TopicPartition> partitions, OffsetSpec spec, boolean failOnUnknownLeader) throws Exception {
    var topics = partitions.stream().map(TopicPartition::topic).collect(Collectors.toSet());
    return listOffsetsUnsafe(led(describeTopics(topics).values(), partitions::contains, failOnUnknownLeader), spec);
  }

  Map<TopicPartition, Long> listTopicOffsets(String topic, OffsetSpec spec, boolean failOnUnknownLeader) throws Exception {
    return listOffsetsUnsafe(led(List.of(describeTopic(topic)), partition -> true, failOnUnknownLeader), spec);
  }

  private Map<TopicPartition, Long> listOffsetsUnsafe(Collection<TopicPartition> partitions, OffsetSpec spec) throws Exception {
    if (partitions.isEmpty()) return Map.of();
    return inParts(partitions, OFFSETS_PER_CALL, part -> {
      var result = client.listOffsets(part.stream().collect(Collectors.toMap(partition -> partition, partition -> spec)));
      var futures = part.stream().collect(Collectors.toMap(partition -> partition, result::partitionResult));
      Map<TopicPartition, Long> found = new HashMap<>();
      withoutErrors(futures, UnknownTopicOrPartitionException.class).forEach((partition, info) -> {
        if (info.offset() >= 0) found.put(partition, info.offset());
      });
      return found;
    });
  }

  /** filterPartitionsWithLeaderCheck. */
  private static Set<TopicPartition> led(Collection<TopicDescription> topics, Predicate<TopicPartition> wanted, boolean fail) {
    Set<TopicPartition> all = new HashSet<>();
    for (TopicDescription topic : topics) {
      boolean isLed = topic.partitions().stream().allMatch(partition -> partition.leader() != null);
      if (!isLed && fail) throw new IllegalStateException("a partition of topic " + topic.name() + " has no leader");
      if (!isLed) continue;
      topic.partitions().stream().map(partition -> new TopicPartition(topic.name(), partition.partition())).filter(wanted).forEach(all::add);
    }
    return all;
  }

  Map<TopicPartition, List<ProducerState>> getActiveProducersState(String topic) throws Exception {
    int count = describeTopic(topic).partitions().size();
    var partitions = IntStream.range(0, count).mapToObj(i -> new TopicPartition(topic, i)).toList();
    Map<TopicPartition, List<ProducerState>> found = new HashMap<>();
    Pages.answer(client.describeProducers(partitions).all()).forEach((partition, state) -> {
      if (!state.activeProducers().isEmpty()) found.put(partition, state.activeProducers());
    });
    return found;
  }

  Collection<AclBinding> listAcls(ResourcePatternFilter filter) throws Exception {
    if (!features.contains("AUTHORIZED_SECURITY_ENABLED")) throw new IllegalArgumentException("the page of ACLs is off");
    return Pages.answer(client.describeAcls(new AclBindingFilter(filter, AccessControlEntryFilter.ANY)).values());
  }

  Map<ClientQuotaEntity, Map<String, Double>> getClientQuotas(ClientQuotaFilter filter) throws Exception {
    return Pages.answer(client.describeClientQuotas(filter).entities());
  }

  void alterClientQuota(ClientQuotaAlteration alteration) throws Exception {
    Pages.answer(client.alterClientQuotas(List.of(alteration)).all());
  }

  /** toMonoWithExceptionFilter: waits for all, and leaves out those that failed with one of these classes. */
  @SafeVarargs
  private static <K, V> Map<K, V> withoutErrors(Map<K, KafkaFuture<V>> futures, Class<? extends Exception>... forgiven) throws Exception {
    Map<K, V> found = new HashMap<>();
    for (var entry : futures.entrySet()) {
      try {
        found.put(entry.getKey(), Pages.answer(entry.getValue()));
      } catch (Exception error) {
        if (Stream.of(forgiven).noneMatch(each -> each == error.getClass())) throw error;
      }
    }
    return found;
  }

  /** partitionCalls; of no items, one call. */
  private static <T, K, V> Map<K, V> inParts(Collection<T> items, int size, Call<T, K, V> call) throws Exception {
    List<T> all = new ArrayList<>(items);
    Map<K, V> found = new HashMap<>();
    int at = 0;
    do {
      found.putAll(call.of(all.subList(at, Math.min(all.size(), at + size))));
      at += size;
    } while (at < all.size());
    return found;
  }

  @Override
  public void close() {
    client.close();
  }
}

// The pages of kafka-ui (kafbat/kafka-ui, July 2026) on a cluster without other topics: what its services ask, in their order. The
// classes and methods that a page mirrors stand behind it. Its pauses between attempts are left out.

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.resource.ResourcePatternFilter;

final class KafkaUi {
  private static final String TOPIC = "ui-orders";
  private static final String GROUP = "ui-billing";
  /** topic.recreate.maxRetries. */
  private static final int ATTEMPTS = 15;

  /** ScrapedClusterState, as far as pages show it. */
  private record Scraped(Map<Integer, Map<String, LogDirDescription>> logDirs, Map<String, TopicDescription> topics,
      Map<String, List<ConfigEntry>> configs, Map<TopicPartition, Long> ends, Map<TopicPartition, Long> starts,
      Map<String, ConsumerGroupDescription> groups, Map<String, Map<TopicPartition, Long>> committed) {}

  private final String bootstrap;
  private final Pages pages;
  private KafkaUiAdmin admin;
  private KafkaUiMessages messages;

  KafkaUi(String bootstrap, Pages pages) {
    this.bootstrap = bootstrap;
    this.pages = pages;
  }

  void run() throws Exception {
    // AdminClientServiceImpl.createAdminClient
    Properties properties = new Properties();
    properties.put("bootstrap.servers", bootstrap);
    properties.put("request.timeout.ms", 30_000);
    properties.put("client.id", "kafbat-ui-admin-1");
    pages.page("connection", () -> {
      admin = new KafkaUiAdmin(AdminClient.create(properties));
      return "version " + admin.version + ", features " + String.join(" ", admin.features);
    });
    if (admin == null) return;
    messages = new KafkaUiMessages(bootstrap, admin);
    try (var opened = admin) {
      topics();
      messages();
      new KafkaUiGroups(TOPIC, GROUP, admin, pages).run(messages);
      cluster();
      quotas();
      removal();
    }
  }

  private void topics() {
    pages.page("create topic", () -> create(TOPIC, 3, Map.of("retention.ms", "3600000", "cleanup.policy", "delete")));
    pages.page("create topic again", () -> create(TOPIC, 3, Map.of()));
    // TopicsService.updateTopic: what is not named gets its default
    pages.page("edit topic", () -> {
      admin.updateTopicConfig(TOPIC, Map.of("retention.ms", "7200000", "max.message.bytes", "500000"));
      return loadTopic(TOPIC);
    });
    pages.page("edit topic wrongly", () -> {
      admin.updateTopicConfig(TOPIC, Map.of("retention.ms", "soon"));
      return loadTopic(TOPIC);
    });
    // TopicsService.increaseTopicPartitions
    pages.page("add partitions", () -> {
      loadTopic(TOPIC);
      admin.createPartitions(TOPIC, 4);
      return loadTopic(TOPIC);
    });
    // TopicsService.cloneTopic
    pages.page("clone topic", () -> create("ui-clone", 4, setConfigs(TOPIC)));
    pages.page("recreate topic", this::recreate);
    // TopicsService.getTopicConfigs
    pages.page("topic settings", () -> {
      if (admin.describeTopic(TOPIC) == null) throw new IllegalStateException("TopicNotFoundException");
      var entries = admin.getTopicsConfig(List.of(TOPIC), true).get(TOPIC);
      long documented = entries.stream().filter(entry -> entry.documentation() != null && !entry.documentation().isBlank()).count();
      long typed = entries.stream().filter(entry -> entry.type() != ConfigEntry.ConfigType.UNKNOWN).count();
      return entries.size() + " settings, without documentation " + (entries.size() - documented) + ", without a type "
          + (entries.size() - typed) + ", retention.ms " + shown(entries, "retention.ms") + ", segment.bytes " + shown(entries, "segment.bytes");
    });
    pages.page("change replication factor", this::changeReplicationFactor);
  }

  /** TopicsService.createTopic and loadTopicAfterCreation; kafka-ui shows the broker's sentence if it is refused. */
  private String create(String topic, int partitions, Map<String, String> configs) throws Exception {
    admin.createTopic(topic, partitions, null, configs);
    Pages.until(() -> admin.describeTopic(topic) != null);
    return loadTopic(topic);
  }

  private Map<String, String> setConfigs(String topic) throws Exception {
    return admin.getTopicsConfig(List.of(topic), false).get(topic).stream()
        .filter(entry -> entry.value() != null).collect(Collectors.toMap(ConfigEntry::name, ConfigEntry::value));
  }

  /** TopicsService.recreateTopic. */
  private String recreate() throws Exception {
    loadTopic("ui-clone");
    Map<String, String> configs = setConfigs("ui-clone");
    admin.deleteTopic("ui-clone");
    for (int attempt = 1;; attempt++) {
      try {
        return create("ui-clone", 4, configs);
      } catch (TopicExistsException error) {
        if (attempt == ATTEMPTS) throw error;
      }
    }
  }

  /** TopicsService.loadTopics and InternalTopic.from. */
  private String loadTopic(String name) throws Exception {
    var topics = admin.describeTopics(List.of(name));
    var configs = admin.getTopicsConfig(List.of(name), false);
    var starts = admin.listOffsets(topics.values(), OffsetSpec.earliest());
    var ends = admin.listOffsets(topics.values(), OffsetSpec.latest());
    TopicDescription topic = topics.get(name);
    if (topic == null) throw new IllegalStateException("TopicNotFoundException");
    int replicas = topic.partitions().stream().mapToInt(partition -> partition.replicas().size()).sum();
    int inSync = topic.partitions().stream().mapToInt(partition -> partition.isr().size()).sum();
    Set<TopicPartition> both = new HashSet<>(starts.keySet());
    both.retainAll(ends.keySet());
    long records = both.stream().mapToLong(partition -> ends.get(partition) - starts.get(partition)).sum();
    var set = configs.get(name).stream().filter(entry -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
        .collect(Collectors.toMap(ConfigEntry::name, ConfigEntry::value));
    return topic.partitions().size() + " partitions, " + replicas + " replicas, " + inSync + " in sync, offsets of " + both.size()
        + ", " + records + " records, " + (set.size() > 10 ? set.size() + " settings" : Pages.sorted(set));
  }

  /** TopicsService.changeReplicationFactor: to all brokers; of one broker it says that the factor is what it is. */
  private String changeReplicationFactor() throws Exception {
    loadTopic(TOPIC);
    List<Integer> brokers = admin.describeCluster().nodes().stream().map(Node::id).sorted().toList();
    TopicDescription topic = admin.describeTopic(TOPIC);
    if (topic.partitions().get(0).replicas().size() == brokers.size()) return "Topic already has replicationFactor " + brokers.size() + ".";
    Map<TopicPartition, Optional<NewPartitionReassignment>> wanted = new HashMap<>();
    for (var partition : topic.partitions()) {
      List<Integer> replicas = new ArrayList<>(partition.replicas().stream().map(Node::id).toList());
      brokers.stream().filter(id -> !replicas.contains(id)).forEach(replicas::add);
      wanted.put(new TopicPartition(TOPIC, partition.partition()), Optional.of(new NewPartitionReassignment(replicas)));
    }
    admin.alterPartitionReassignments(wanted);
    loadTopic(TOPIC);
    Pages.until(() -> admin.describeTopic(TOPIC).partitions().stream().allMatch(partition -> partition.isr().size() == brokers.size()));
    return "accepted";
  }

  private void messages() {
    pages.page("send messages", () -> {
      List<String> sent = new ArrayList<>();
      for (int i = 0; i < 10; i++) sent.add(messages.send(TOPIC, i % 2, "key-" + i, "value-" + i));
      sent.add(messages.send(TOPIC, null, "where it belongs", null).replaceAll("^\\d", "p"));
      return String.join(" ", sent);
    });
    pages.page("messages, oldest first", () -> messages.forward(TOPIC, 100, -2));
    pages.page("messages, newest first", () -> messages.backward(TOPIC, 4));
    pages.page("messages from a time", () -> messages.forward(TOPIC, 100, 1));
    pages.page("topic statistics", () -> messages.analysis(TOPIC));
    pages.page("active producers", () -> {
      Set<Long> ids = new TreeSet<>();
      admin.getActiveProducersState(TOPIC).values().forEach(states -> states.forEach(state -> ids.add(state.producerId())));
      return ids.size() + " producers";
    });
  }

  private void cluster() {
    pages.page("dashboard", this::dashboard);
    // BrokerService.getBrokers, getAllBrokersLogdirs and getBrokerConfig
    pages.page("brokers", () -> admin.describeCluster().nodes().size() + " brokers");
    int broker = 1;
    pages.page("log directories", () -> {
      var directories = admin.describeLogDirs(List.of(broker)).get(broker).values();
      long found = directories.stream().flatMap(directory -> directory.replicaInfos().keySet().stream())
          .filter(partition -> partition.topic().equals(TOPIC)).count();
      return directories.size() + ", errors " + directories.stream().filter(directory -> directory.error() != null).count() + ", with sizes "
          + directories.stream().allMatch(directory -> directory.totalBytes().isPresent()) + (found > 0 ? ", partitions found" : "");
    });
    pages.page("broker settings", () -> {
      var entries = admin.loadBrokersConfig(List.of(broker)).get(broker);
      return (entries.size() > 100) + " log.retention.ms " + shown(entries, "log.retention.ms");
    });
    pages.page("edit broker setting", () -> {
      admin.updateBrokerConfigByName(broker, "log.retention.ms", "86400000");
      Pages.until(() -> !shown(admin.loadBrokersConfig(List.of(broker)).get(broker), "log.retention.ms").startsWith("null"));
      return shown(admin.loadBrokersConfig(List.of(broker)).get(broker), "log.retention.ms");
    });
    pages.page("edit read-only broker setting", () -> {
      admin.updateBrokerConfigByName(broker, "node.id", "7");
      return "changed";
    });
    // FeatureService.aclView: the page is off without an authorizer
    pages.page("access control lists", () -> Pages.sorted(admin.listAcls(ResourcePatternFilter.ANY)));
  }

  private static String shown(Collection<ConfigEntry> entries, String name) {
    return entries.stream().filter(entry -> entry.name().equals(name)).findFirst()
        .map(entry -> entry.value() + " " + entry.source() + (entry.isReadOnly() ? " read-only" : "")).orElse("absent");
  }

  /** StatisticsService.getStatistics; what fails here makes the whole cluster "offline". */
  private String dashboard() throws Exception {
    KafkaUiAdmin.Cluster cluster = admin.describeCluster();
    Scraped scraped = scrape(cluster);
    String controller;
    QuorumInfo quorum = null;
    try {
      quorum = admin.describeMetadataQuorum();
      controller = "KRAFT";
    } catch (UnsupportedVersionException error) {
      controller = "ZOOKEEPER";
    } catch (ClusterAuthorizationException error) {
      controller = "UNKNOWN";
    }
    // QuorumInfoMapper fails on what has no directory or no nodes
    String voters = quorum == null ? "none" : quorum.voters().size() + " with directories "
        + quorum.voters().stream().allMatch(voter -> voter.replicaDirectoryId() != null) + ", leader " + (quorum.leaderId() >= 0);
    long online = scraped.topics.values().stream().flatMap(topic -> topic.partitions().stream())
        .filter(partition -> partition.leader() != null).count();
    long all = scraped.topics.values().stream().mapToLong(topic -> topic.partitions().size()).sum();
    return "ONLINE, " + controller + ", voters " + voters + ", active controller " + (cluster.controller() != null) + ", may "
        + (cluster.authorizedOperations() == null ? "unknown" : "known") + ", online partitions all " + (online == all) + ", topics "
        + Pages.sorted(scraped.topics.keySet()) + ", with settings " + scraped.configs.size() + ", groups "
        + Pages.sorted(scraped.committed.keySet()) + ", ends " + scraped.ends.keySet().equals(scraped.starts.keySet());
  }

  private Scraped scrape(KafkaUiAdmin.Cluster cluster) throws Exception {
    var logDirs = admin.describeLogDirs(cluster.nodes().stream().map(Node::id).toList());
    List<String> groups = admin.listConsumerGroupNames();
    var topics = admin.describeTopics(admin.listTopics(true));
    var configs = admin.getTopicsConfig(admin.listTopics(true), false);
    var ends = admin.listOffsets(topics.values(), OffsetSpec.latest());
    var starts = admin.listOffsets(topics.values(), OffsetSpec.earliest());
    return new Scraped(logDirs, topics, configs, ends, starts, admin.describeConsumerGroups(groups), admin.listConsumerGroupOffsets(groups, null));
  }

  /** ClientQuotaService.getAll and upsert. */
  private void quotas() {
    pages.page("quotas, none", this::quotasPage);
    pages.page("quota of a user", () -> upsert(Map.of("user", "ui-alice"), Map.of("producer_byte_rate", 1048576.0, "request_percentage", 50.0)));
    pages.page("quota of a user and a client", () -> upsert(Map.of("user", "ui-alice", "client-id", "app"), Map.of("consumer_byte_rate", 2048.0)));
    pages.page("quota of an address", () -> upsert(Map.of("ip", "127.0.0.9"), Map.of("connection_creation_rate", 10.0)));
    pages.page("quotas", this::quotasPage);
    pages.page("edit quota", () -> upsert(Map.of("user", "ui-alice"), Map.of("producer_byte_rate", 2097152.0)));
    pages.page("wrong quota", () -> upsert(Map.of("user", "ui-alice"), Map.of("nonsense", 1.0)));
    pages.page("remove quotas", () -> upsert(Map.of("user", "ui-alice"), Map.of()) + " | "
        + upsert(Map.of("user", "ui-alice", "client-id", "app"), Map.of()) + " | " + upsert(Map.of("ip", "127.0.0.9"), Map.of()));
  }

  private String quotasPage() throws Exception {
    Map<String, String> shown = new HashMap<>();
    admin.getClientQuotas(ClientQuotaFilter.all()).forEach((entity, values) ->
        shown.put("{" + Pages.sorted(entity.entries()) + "}", "{" + Pages.sorted(values) + "}"));
    return shown.isEmpty() ? "none" : Pages.sorted(shown);
  }

  private String upsert(Map<String, String> names, Map<String, Double> quotas) throws Exception {
    ClientQuotaEntity entity = new ClientQuotaEntity(names);
    List<ClientQuotaFilterComponent> components = new ArrayList<>();
    entity.entries().forEach((type, name) -> components.add(ClientQuotaFilterComponent.ofEntity(type, name)));
    var current = admin.getClientQuotas(ClientQuotaFilter.contains(components)).getOrDefault(entity, Map.of());
    List<ClientQuotaAlteration.Op> ops = new ArrayList<>();
    current.keySet().stream().filter(name -> !quotas.containsKey(name)).forEach(name -> ops.add(new ClientQuotaAlteration.Op(name, null)));
    quotas.forEach((name, value) -> ops.add(new ClientQuotaAlteration.Op(name, value)));
    admin.alterClientQuota(new ClientQuotaAlteration(entity, ops));
    return quotas.isEmpty() ? "deleted" : current.isEmpty() ? "created" : "updated";
  }

  private void removal() {
    pages.page("delete messages", () -> {
      // MessagesService.deleteTopicMessages: of partitions that are not empty
      var starts = admin.listTopicOffsets(TOPIC, OffsetSpec.earliest(), true);
      var ends = admin.listTopicOffsets(TOPIC, OffsetSpec.latest(), true);
      Map<TopicPartition, Long> filled = new HashMap<>(ends);
      filled.entrySet().removeIf(entry -> entry.getValue().equals(starts.get(entry.getKey())));
      admin.deleteRecords(filled);
      return loadTopic(TOPIC);
    });
    pages.page("delete consumer group", () -> {
      admin.deleteConsumerGroups(List.of(GROUP));
      return "groups " + Pages.sorted(admin.listConsumerGroupNames());
    });
    pages.page("delete consumer group again", () -> {
      admin.deleteConsumerGroups(List.of(GROUP));
      return "deleted";
    });
    pages.page("delete topics", () -> {
      admin.deleteTopic(TOPIC);
      admin.deleteTopic("ui-clone");
      Pages.until(() -> admin.listTopics(false).stream().noneMatch(topic -> topic.startsWith("ui-")));
      return "topics " + Pages.sorted(admin.listTopics(false));
    });
  }
}

// The pages of consumer groups of kafka-ui: its ConsumerGroupService and OffsetsResetService.

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.ConsumerGroupState;
import org.apache.kafka.common.TopicPartition;

final class KafkaUiGroups {
  private final String topic;
  private final String group;
  private final KafkaUiAdmin admin;
  private final Pages pages;

  KafkaUiGroups(String topic, String group, KafkaUiAdmin admin, Pages pages) {
    this.topic = topic;
    this.group = group;
    this.admin = admin;
    this.pages = pages;
  }

  void run(KafkaUiMessages messages) throws Exception {
    try (var member = messages.member(topic, group)) {
      pages.page("consumer groups", this::groupsPage);
      pages.page("consumer group", this::groupPage);
      pages.page("consumers of a topic", this::topicGroups);
      pages.page("reset offsets of an active group", () -> reset(OffsetSpec.earliest()));
    }
    pages.page("reset offsets to the earliest", () -> reset(OffsetSpec.earliest()));
    pages.page("reset offsets to the latest", () -> reset(OffsetSpec.latest()));
    pages.page("reset offsets to a time", () -> reset(OffsetSpec.forTimestamp(1)));
    pages.page("reset offsets to offsets", () -> {
      checkGroup();
      var partitions = Set.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
      var earliest = admin.listOffsets(partitions, OffsetSpec.earliest(), true);
      var latest = admin.listOffsets(partitions, OffsetSpec.latest(), true);
      Map<TopicPartition, Long> wanted = new HashMap<>();
      // OffsetsResetService.editOffsetsBounds
      for (var partition : partitions) {
        long asked = partition.partition() == 0 ? 3 : 1000;
        wanted.put(partition, Math.min(latest.get(partition), Math.max(earliest.get(partition), asked)));
      }
      admin.alterConsumerGroupOffsets(group, wanted);
      return groupPage();
    });
    pages.page("delete offsets of a topic", () -> {
      admin.deleteConsumerGroupOffsets(group, topic);
      return groupPage();
    });
    pages.page("consumer groups, one without offsets", this::groupsPage);
  }

  /** ConsumerGroupService.getConsumerGroups: list, describe, offsets, then the ends of the partitions that have offsets. */
  private String groupsPage() throws Exception {
    List<String> names = admin.listConsumerGroups().stream().filter(listing -> listing.state().isPresent())
        .map(listing -> listing.groupId()).sorted().toList();
    return groups(admin.describeConsumerGroups(names).values());
  }

  private String groupPage() throws Exception {
    return groups(List.of(admin.describeConsumerGroups(List.of(group)).get(group)));
  }

  private String groups(Collection<ConsumerGroupDescription> groups) throws Exception {
    List<String> names = groups.stream().map(ConsumerGroupDescription::groupId).toList();
    var committed = admin.listConsumerGroupOffsets(names, null);
    Set<TopicPartition> partitions = new HashSet<>();
    committed.values().forEach(offsets -> partitions.addAll(offsets.keySet()));
    var ends = admin.listOffsets(partitions, OffsetSpec.latest(), false);
    Map<String, String> shown = new TreeMap<>();
    for (var one : groups) {
      var offsets = committed.getOrDefault(one.groupId(), Map.of());
      long lag = offsets.entrySet().stream().mapToLong(entry -> Math.max(0, ends.get(entry.getKey()) - entry.getValue())).sum();
      long assigned = one.members().stream().mapToLong(member -> member.assignment().topicPartitions().size()).sum();
      shown.put(one.groupId(), one.state() + " " + one.partitionAssignor() + " coordinator " + (one.coordinator() != null)
          + " members " + one.members().size() + " with " + assigned + " partitions, offsets {" + Pages.sorted(offsets) + "} lag " + lag);
    }
    return Pages.sorted(shown);
  }

  /** ConsumerGroupService.getConsumerGroupsForTopic. */
  private String topicGroups() throws Exception {
    var ends = admin.listTopicOffsets(topic, OffsetSpec.latest(), false);
    var groups = admin.describeConsumerGroups(admin.listConsumerGroupNames());
    var committed = admin.listConsumerGroupOffsets(List.copyOf(groups.keySet()), List.copyOf(ends.keySet()));
    return Pages.sorted(committed.entrySet().stream().filter(entry -> !entry.getValue().isEmpty()).map(Map.Entry::getKey).toList());
  }

  /** OffsetsResetService.checkGroupCondition. */
  private void checkGroup() throws Exception {
    if (!admin.listConsumerGroupNames().contains(group)) throw new IllegalStateException("Consumer group not found");
    var state = admin.describeConsumerGroups(List.of(group)).get(group).state();
    if (state != ConsumerGroupState.DEAD && state != ConsumerGroupState.EMPTY) {
      throw new IllegalStateException("Group's offsets can be reset only if group is inactive, but group is in " + state + " state");
    }
  }

  /** OffsetsResetService.resetToEarliest, resetToLatest and resetToTimestamp. */
  private String reset(OffsetSpec spec) throws Exception {
    checkGroup();
    Map<TopicPartition, Long> wanted = admin.listTopicOffsets(topic, spec, true);
    if (spec instanceof OffsetSpec.TimestampSpec) {
      Map<TopicPartition, Long> ends = new HashMap<>(admin.listTopicOffsets(topic, OffsetSpec.latest(), true));
      ends.putAll(wanted);
      wanted = ends;
    }
    admin.alterConsumerGroupOffsets(group, wanted);
    return groupPage();
  }
}

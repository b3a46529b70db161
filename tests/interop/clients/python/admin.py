"""The admin clients of confluent-kafka and kafka-python: each call that applies. A line for each, as ../../administration/java/Pages.java says.

    python admin.py kafka-python 127.0.0.1:9092
"""

import os
import sys
import time

# Of the first record.
START_MS = int(time.time() * 1000)
PAUSE_S = int(os.environ.get("PAUSE_MS", "0")) / 1000


def call(library):
    def show(name, ask):
        try:
            shown = ask()
        except Exception as error:
            shown = f"error {type(error).__name__}: {error}"
        sys.stdout.buffer.write(f"{library}\t{name}\t{shown}\n".encode())
        sys.stdout.flush()
        time.sleep(PAUSE_S)  # Kafka shows a change a moment after it has acknowledged it

    return show


def confluent(bootstrap):
    import confluent_kafka as ck
    from confluent_kafka import ConsumerGroupTopicPartitions as GroupOffsets
    from confluent_kafka import Consumer, ElectionType, IsolationLevel, Producer, TopicCollection, TopicPartition
    from confluent_kafka.admin import (AclBindingFilter, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType,
                                       ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec,
                                       ResourcePatternType, ResourceType, ScramCredentialInfo, ScramMechanism,
                                       UserScramCredentialDeletion, UserScramCredentialUpsertion)

    show = call("confluent-kafka")
    admin = AdminClient({"bootstrap.servers": bootstrap, "client.id": "admin"})
    topic, group = "confluent-orders", "confluent-billing"
    config = lambda kind, name, entries=None: ConfigResource(kind, name, incremental_configs=entries)
    only = lambda futures: next(iter(futures.values())).result()

    def topics():
        described = only(admin.describe_topics(TopicCollection([topic]), include_authorized_operations=True))
        partitions = [f"{p.id}:{p.leader.id}:{len(p.replicas)}:{len(p.isr)}" for p in described.partitions]
        return f"{' '.join(partitions)} internal {described.is_internal} operations {len(described.authorized_operations)}"

    def settings(kind, name, setting):
        entry = only(admin.describe_configs([config(kind, name)]))[setting]
        synonyms = [synonym.name for synonym in entry.synonyms.values()]
        return f"{entry.value} source {entry.source} read-only {entry.is_read_only} sensitive {entry.is_sensitive} {synonyms}"

    def change(kind, name, setting, value, op=AlterConfigOpType.SET):
        return only(admin.incremental_alter_configs([config(kind, name, [ConfigEntry(setting, value, incremental_operation=op)])]))

    def offsets(spec):
        asked = {TopicPartition(topic, partition): spec for partition in range(3)}
        found = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED)
        return sorted((p.partition, future.result().offset) for p, future in found.items())

    def groups():
        listed = admin.list_consumer_groups().result()
        described = only(admin.describe_consumer_groups([group], include_authorized_operations=True))
        committed = only(admin.list_consumer_group_offsets([GroupOffsets(group)])).topic_partitions
        members = [sorted(p.partition for p in member.assignment.topic_partitions) for member in described.members]
        names = sorted(each.group_id for each in listed.valid if each.group_id == group)
        return (f"{names} errors {len(listed.errors)} {described.state.name} {described.type.name} "
                f"{described.partition_assignor!r} members {members} operations {len(described.authorized_operations)} "
                f"offsets {sorted((p.partition, p.offset) for p in committed)}")

    def cluster():
        found = admin.describe_cluster(include_authorized_operations=True).result()
        return f"nodes {len(found.nodes)} controller {found.controller is not None} id {len(found.cluster_id)} operations {len(found.authorized_operations)}"

    def users():
        found = admin.describe_user_scram_credentials().result()
        return {name: [(info.mechanism.name, info.iterations) for info in user.scram_credential_infos] for name, user in found.items()}

    def alter_users(*alterations):
        return sorted((name, future.result()) for name, future in admin.alter_user_scram_credentials(list(alterations)).items())

    show("cluster", cluster)
    show("cluster id", lambda: len(admin.list_topics().cluster_id))
    show("create topic", lambda: only(admin.create_topics([NewTopic(topic, 2, 1, config={"retention.ms": "7200000"})])))
    show("create topic, validated only", lambda: only(admin.create_topics([NewTopic("confluent-x", 1, 1)], validate_only=True)))
    show("create topic again", lambda: only(admin.create_topics([NewTopic(topic, 2, 1)])))
    show("add partitions", lambda: only(admin.create_partitions([NewPartitions(topic, 3)])))
    show("topic", topics)
    show("topic setting", lambda: settings(ConfigResource.Type.TOPIC, topic, "retention.ms"))
    show("change topic setting", lambda: change(ConfigResource.Type.TOPIC, topic, "cleanup.policy", "compact", AlterConfigOpType.APPEND))
    show("topic setting, appended", lambda: settings(ConfigResource.Type.TOPIC, topic, "cleanup.policy"))
    show("delete topic setting", lambda: change(ConfigResource.Type.TOPIC, topic, "cleanup.policy", None, AlterConfigOpType.DELETE))
    show("wrong topic setting", lambda: change(ConfigResource.Type.TOPIC, topic, "retention.ms", "soon"))
    show("change broker setting", lambda: change(ConfigResource.Type.BROKER, "1", "log.retention.ms", "43200000"))
    show("broker setting", lambda: settings(ConfigResource.Type.BROKER, "1", "log.retention.ms"))
    show("delete broker setting", lambda: change(ConfigResource.Type.BROKER, "1", "log.retention.ms", None, AlterConfigOpType.DELETE))
    show("group setting", lambda: change(ConfigResource.Type.GROUP, group, "consumer.session.timeout.ms", "50000"))
    show("delete group setting", lambda: change(ConfigResource.Type.GROUP, group, "consumer.session.timeout.ms", None, AlterConfigOpType.DELETE))

    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    for i in range(6):
        producer.produce(topic, key=f"key-{i}", value=f"value-{i}", partition=i % 2, timestamp=START_MS + i)
    producer.flush(30)
    show("earliest", lambda: offsets(OffsetSpec.earliest()))
    show("latest", lambda: offsets(OffsetSpec.latest()))
    show("max timestamp", lambda: offsets(OffsetSpec.max_timestamp()))
    show("for timestamp", lambda: offsets(OffsetSpec.for_timestamp(START_MS + 3)))
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "partition.assignment.strategy": "range"})
    consumer.subscribe([topic])
    read = 0
    while read < 6:
        message = consumer.poll(30)
        read += message is not None and message.error() is None
    consumer.commit(asynchronous=False)
    show("group", groups)
    show("delete active group", lambda: only(admin.delete_consumer_groups([group])))
    consumer.close()
    show("group without members", groups)
    wanted = GroupOffsets(group, [TopicPartition(topic, 0, 1), TopicPartition(topic, 1, 2)])
    show("alter offsets", lambda: [(p.partition, p.offset, p.error) for p in only(admin.alter_consumer_group_offsets([wanted])).topic_partitions])
    show("group, offsets altered", groups)
    show("delete group", lambda: only(admin.delete_consumer_groups([group])))
    show("delete group again", lambda: only(admin.delete_consumer_groups([group])))
    show("delete records", lambda: only(admin.delete_records([TopicPartition(topic, 0, 2)])).low_watermark)
    show("delete records beyond the end", lambda: only(admin.delete_records([TopicPartition(topic, 0, 99)])).low_watermark)
    show("elect preferred leaders", lambda: {f"{p.topic}-{p.partition}": error and error.name() for p, error in
         admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition(topic, 0)]).result().items()})
    show("create users", lambda: alter_users(
        UserScramCredentialUpsertion("carol", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192), b"secret"),
        UserScramCredentialUpsertion("dave", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"secret", b"salt")))
    show("users", users)
    show("too few iterations", lambda: alter_users(
        UserScramCredentialUpsertion("erin", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 100), b"secret")))
    show("delete users", lambda: alter_users(UserScramCredentialDeletion("carol", ScramMechanism.SCRAM_SHA_256),
                                             UserScramCredentialDeletion("dave", ScramMechanism.SCRAM_SHA_512)))
    show("delete user again", lambda: alter_users(UserScramCredentialDeletion("carol", ScramMechanism.SCRAM_SHA_256)))
    show("access control lists", lambda: admin.describe_acls(AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)).result())
    show("delete topic", lambda: only(admin.delete_topics([topic])))
    show("delete topic again", lambda: only(admin.delete_topics([topic])))


def kafka_python(bootstrap):
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import (ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, AlterConfigOp, ConfigResource,
                             ConfigResourceType, KafkaAdminClient, MemberToRemove, OffsetSpec, ResourcePattern,
                             ResourcePatternFilter, ResourceType, ScramMechanism, UpdateFeatureType, UserScramCredentialDeletion,
                             UserScramCredentialUpsertion)
    from kafka.structs import OffsetAndMetadata

    show = call("kafka-python")
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    topic, group = "python-orders", "python-billing"
    partition = lambda number: TopicPartition(topic, number)
    config = lambda configs, kind=ConfigResourceType.TOPIC, name=topic: [ConfigResource(kind, name, configs)]
    error = lambda outcome: getattr(outcome, "__name__", outcome)
    by_partition = lambda found, value: sorted((p.partition, value(each)) for p, each in found.items())

    def settings(names=None, kind=ConfigResourceType.TOPIC, name=topic, **options):
        described = next(iter(admin.describe_configs(config(names, kind, name), **options).values()))[name]
        return sorted((key, entry["value"], entry["config_source"], entry["read_only"]) for key, entry in described.items())

    def described():
        found = admin.describe_topics([topic])[0]
        partitions = [(p["partition_index"], p["leader_id"], len(p["replica_nodes"]), len(p["isr_nodes"])) for p in found["partitions"]]
        return sorted(partitions), found["is_internal"], found["authorized_operations"]

    def groups():
        found = admin.describe_groups([group], include_authorized_operations=True)[group]
        assigned = [member["member_assignment"]["assigned_partitions"] for member in found["members"]]
        listed = [each for each in admin.list_groups() if each["group_id"] == group]
        return (listed, found["group_state"], found["protocol_data"], [sorted(a[0]["partitions"]) for a in assigned],
                found["authorized_operations"], found["error"])

    def offsets():
        return by_partition(admin.list_group_offsets([group])[group], lambda each: each.offset)

    def log_dirs(asked=None):
        found = admin.describe_log_dirs(asked)
        sizes = [p["partition_size"] > 0 for node in found for directory in node["log_dirs"] for each in directory["topics"]
                 if each["name"] == topic for p in each["partitions"]]
        return len(found), [directory["error_code"] for node in found for directory in node["log_dirs"]], sorted(sizes)

    def quorum():
        found = admin.describe_metadata_quorum()
        part = found["topics"][0]["partitions"][0]
        return (found["topics"][0]["topic_name"], part["leader_id"] >= 0, len(part["current_voters"]), len(part["observers"]), part["error"],
                part["high_watermark"] <= part["current_voters"][0]["log_end_offset"], len(found["nodes"]))

    def features():
        found = admin.describe_features()
        return [(name, found[name]["supported"][1], found[name]["finalized"][1]) for name in ("metadata.version", "group.version")]

    def users():
        found = admin.describe_user_scram_credentials()
        return {name: [(info["mechanism"].name, info["iterations"]) for info in each["credential_infos"]] for name, each in found.items()}

    def cluster():
        found = admin.describe_cluster()
        fenced = [node["is_fenced"] for node in found["brokers"]]
        return len(found["cluster_id"]), found["controller_id"] >= 0, fenced, found["authorized_operations"]

    show("cluster", cluster)
    show("versions", lambda: str(admin.get_broker_version_data(1)))
    show("create topic", lambda: [(t["num_partitions"], t["replication_factor"], t["configs"]["retention.ms"]["value"]) for t in
         admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "7200000"}}})["topics"]])
    show("create topic again", lambda: admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}}, raise_errors=False)["topics"][0]["error_message"])
    show("add partitions", lambda: admin.create_partitions({topic: 3}).results[0].error_code)
    show("topics", lambda: [name for name in admin.list_topics() if name == topic])
    show("topic", described)
    show("topic partitions", lambda: [(p["partition_index"], p["leader_id"]) for p in admin.describe_topic_partitions([topic])["topics"][0]["partitions"]])
    show("topic settings", settings)
    show("one topic setting", lambda: settings(["cleanup.policy"], config_filter="all"))
    show("append to topic setting", lambda: admin.alter_configs(config({"cleanup.policy": (AlterConfigOp.APPEND, "compact")})))
    show("topic setting by the legacy call", lambda: admin.alter_configs(config({"segment.ms": "100000"}), incremental=False))
    show("topic settings, altered", settings)
    show("reset topic settings", lambda: admin.reset_configs(config(["segment.ms", "cleanup.policy"])))
    show("wrong topic setting", lambda: admin.alter_configs(config({"retention.ms": "soon"})))
    show("broker setting", lambda: admin.alter_configs(config({"log.retention.ms": "43200000"}, ConfigResourceType.BROKER, "1")))
    show("broker settings", lambda: [each for each in settings(None, ConfigResourceType.BROKER, "1") if each[0] == "log.retention.ms"])
    show("reset broker setting", lambda: admin.reset_configs(config(["log.retention.ms"], ConfigResourceType.BROKER, "1")))
    show("resources with settings", lambda: [name for name in admin.list_config_resources()["topic"] if name == topic])

    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for i in range(6):
        producer.send(topic, b"value", b"key", partition=i % 2, timestamp_ms=START_MS + i)
    producer.flush()
    show("latest offsets", lambda: by_partition(admin.list_partition_offsets({partition(i): OffsetSpec.LATEST for i in range(3)}), lambda each: each.offset))
    show("earliest offsets", lambda: by_partition(admin.list_partition_offsets({partition(i): OffsetSpec.EARLIEST for i in range(3)}), lambda each: each.offset))
    show("offsets of a time", lambda: by_partition(admin.list_partition_offsets({partition(i): START_MS + 3 for i in range(3)}), lambda each: (each.offset, each.timestamp if each.timestamp < 0 else each.timestamp - START_MS)))
    show("producers", lambda: by_partition(admin.describe_producers([partition(0), partition(2)]),
         lambda each: [(p.last_sequence, p.last_timestamp - START_MS, p.coordinator_epoch, p.current_transaction_start_offset) for p in each.active_producers]))
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    read = 0
    while read < 6:
        read += sum(map(len, consumer.poll(1000).values()))
    consumer.commit()
    show("group", groups)
    show("offsets", offsets)
    show("remove an absent member", lambda: error(admin.remove_group_members(group, [MemberToRemove(member_id="absent")])["absent"]))
    consumer.close()
    show("group without members", groups)
    show("alter offsets", lambda: by_partition(admin.alter_group_offsets(group, {partition(0): OffsetAndMetadata(1, "note", -1)}), error))
    show("reset offsets", lambda: by_partition(admin.reset_group_offsets(group, {partition(0): OffsetSpec.EARLIEST, partition(1): 2}), lambda each: (error(each["error"]), each["offset"])))
    show("offsets, altered", offsets)
    show("delete offsets", lambda: by_partition(admin.delete_group_offsets(group, [partition(0)]), error))
    show("delete group", lambda: admin.delete_groups([group]))
    show("delete group again", lambda: admin.delete_groups([group]))
    show("delete records", lambda: by_partition(admin.delete_records({partition(0): 2}), lambda each: each["low_watermark"]))
    show("elect leaders", lambda: [p.error_code for p in admin.elect_leaders(0, {topic: [0]}).replica_election_results[0].partition_result])
    show("reassign to where it is", lambda: by_partition(admin.alter_partition_reassignments({partition(0): [1]}), error))
    show("cancel a reassignment", lambda: by_partition(admin.alter_partition_reassignments({partition(0): None}), error))
    show("reassignments", lambda: admin.list_partition_reassignments())
    show("log directories", log_dirs)
    show("log directories of a partition", lambda: log_dirs({topic: [0]}))
    show("metadata quorum", quorum)
    show("features", features)
    show("keep feature", lambda: admin.update_features({"metadata.version": (UpdateFeatureType.UPGRADE, 30)}))
    show("transactions", lambda: admin.list_transactions())
    show("hanging transactions", lambda: admin.find_hanging_transactions())
    show("create users", lambda: admin.alter_user_scram_credentials([
        UserScramCredentialUpsertion("frank", ScramMechanism.SCRAM_SHA_256, "secret", 8192),
        UserScramCredentialUpsertion("grace", ScramMechanism.SCRAM_SHA_512, "secret")]))
    show("users", users)
    show("delete users", lambda: admin.alter_user_scram_credentials([
        UserScramCredentialDeletion("frank", ScramMechanism.SCRAM_SHA_256), UserScramCredentialDeletion("grace", ScramMechanism.SCRAM_SHA_512)]))
    anything = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY))
    one = ACL("User:x", "*", ACLOperation.READ, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, topic))
    show("access control lists", lambda: admin.describe_acls(anything))
    show("create access control list", lambda: [error(each) for each in admin.create_acls([one])["failed"]])
    show("delete access control lists", lambda: [error(each[2]) for each in admin.delete_acls([anything])])
    show("delete topic", lambda: admin.delete_topics([topic])["topics"][0]["error_code"])
    show("delete topic again", lambda: admin.delete_topics([topic], raise_errors=False)["topics"][0]["error_code"])
    admin.close()


if __name__ == "__main__":
    {"confluent-kafka": confluent, "kafka-python": kafka_python}[sys.argv[1]](sys.argv[2])

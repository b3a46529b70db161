"""confluent-kafka, kafka-python and aiokafka as members of a group: `group` of ../README.md.

    python group.py confluent-kafka group 127.0.0.1:9092 topic name protocol=classic assignor=range
"""

import asyncio
import signal
import sys

SESSION_MS = 6000
HEARTBEAT_MS = 300

stopped = False


def stop(*_):
    global stopped
    stopped = True


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Owned:
    """Partitions of this member. Some libraries report all of them, others only the changes.

    `ends` holds what was read of them and is not committed. If a cooperative rebalance refuses the commit, it is repeated."""

    def __init__(self):
        self.partitions = set()
        self.ends = {}

    def add(self, partitions):
        self.partitions |= {each.partition for each in partitions}
        say("owns", *sorted(self.partitions))

    def remove(self, partitions):
        for each in partitions:
            self.partitions.discard(each.partition)
            self.ends.pop(each.partition, None)
        say("owns", *sorted(self.partitions))

    def committed(self):
        for partition, offset in self.ends.items():
            say("committed", partition, offset)
        self.ends.clear()


def confluent(bootstrap, topic, group, options):
    from confluent_kafka import Consumer, KafkaException, TopicPartition

    config = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 100,
        "group.protocol": options.get("protocol", "classic"),
    }
    if config["group.protocol"] == "classic":
        config["partition.assignment.strategy"] = options.get("assignor", "range")
        config["session.timeout.ms"] = SESSION_MS
        config["heartbeat.interval.ms"] = HEARTBEAT_MS
    elif "assignor" in options:
        config["group.remote.assignor"] = options["assignor"]
    if "instance" in options:
        config["group.instance.id"] = options["instance"]
    owned = Owned()
    consumer = Consumer(config)
    consumer.subscribe([topic], on_assign=lambda _, p: owned.add(p), on_revoke=lambda _, p: owned.remove(p),
                       on_lost=lambda _, p: owned.remove(p))
    while not stopped:
        for message in consumer.consume(100, 0.2):
            if message.error():
                say("refused", message.error().name())
                continue
            say("read", message.partition(), message.offset())
            owned.ends[message.partition()] = message.offset() + 1
        if not owned.ends:
            continue
        try:
            consumer.commit(offsets=[TopicPartition(topic, p, o) for p, o in owned.ends.items()], asynchronous=False)
            owned.committed()
        except KafkaException as error:
            say("refused", error.args[0].name())
    consumer.close()


def rejoin_what_poll_left(consumer):
    """kafka-python 3.0.12, also with Apache Kafka: if poll() returns during a rejoin that a change of metadata has caused, the
    rejoin is forgotten, because need_rejoin() no longer sees a change. The member then owns nothing and sends no heartbeat."""
    if consumer._coordinator._join_task is not None:
        consumer._coordinator.request_rejoin()


def kafka_python(bootstrap, topic, group, options):
    from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
    from kafka.errors import KafkaError
    from kafka.structs import OffsetAndMetadata

    assignors = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor,
                 "sticky": StickyPartitionAssignor, "cooperative-sticky": CooperativeStickyAssignor}
    owned = Owned()

    class Listener(ConsumerRebalanceListener):
        def on_partitions_assigned(self, partitions):
            owned.add(partitions)

        def on_partitions_revoked(self, partitions):
            owned.remove(partitions)

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        fetch_max_wait_ms=100, session_timeout_ms=SESSION_MS, heartbeat_interval_ms=HEARTBEAT_MS,
        group_instance_id=options.get("instance"),
        partition_assignment_strategy=[assignors[options.get("assignor", "range")]])
    consumer.subscribe([topic], listener=Listener())
    while not stopped:
        try:
            polled = consumer.poll(timeout_ms=200)
            rejoin_what_poll_left(consumer)
            for partition, records in polled.items():
                for record in records:
                    say("read", record.partition, record.offset)
                owned.ends[partition.partition] = records[-1].offset + 1
            if owned.ends:
                consumer.commit({TopicPartition(topic, p): OffsetAndMetadata(o, "", -1) for p, o in owned.ends.items()})
                owned.committed()
        except KafkaError as error:
            say("refused", type(error).__name__)
    consumer.close(autocommit=False)


def aiokafka(bootstrap, topic, group, options):
    async def main():
        from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
        from aiokafka.coordinator.assignors.range import RangePartitionAssignor
        from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
        from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
        from aiokafka.errors import KafkaError

        assignors = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor,
                     "sticky": StickyPartitionAssignor}
        owned = Owned()

        class Listener(ConsumerRebalanceListener):
            async def on_partitions_assigned(self, assigned):
                owned.add(assigned)

            async def on_partitions_revoked(self, revoked):
                owned.remove(revoked)

        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
            fetch_max_wait_ms=100, session_timeout_ms=SESSION_MS, heartbeat_interval_ms=HEARTBEAT_MS,
            group_instance_id=options.get("instance"),
            partition_assignment_strategy=[assignors[options.get("assignor", "range")]])
        consumer.subscribe([topic], listener=Listener())
        await consumer.start()
        while not stopped:
            try:
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        say("read", record.partition, record.offset)
                    owned.ends[partition.partition] = records[-1].offset + 1
                if owned.ends:
                    await consumer.commit({TopicPartition(topic, p): o for p, o in owned.ends.items()})
                    owned.committed()
            except KafkaError as error:
                say("refused", type(error).__name__)
        await consumer.stop()

    asyncio.run(main())


LIBRARIES = {"confluent-kafka": confluent, "kafka-python": kafka_python, "aiokafka": aiokafka}

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    _, library, _, bootstrap, topic, group, *rest = sys.argv
    LIBRARIES[library](bootstrap, topic, group, dict(word.split("=", 1) for word in rest))
    say("closed")

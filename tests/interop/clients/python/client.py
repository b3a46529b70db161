"""confluent-kafka, kafka-python and aiokafka: `produce`, `consume`, `keyless`, `admin` and `change` of ../README.md.

    python client.py confluent-kafka consume 127.0.0.1:9092 topic 100
"""

import asyncio
import sys


def records(library, codec, count):
    for i in range(count):
        key = None if i % 7 == 3 else f"{library}-{codec}-{i}".encode()
        value = None if key and i % 11 == 5 else (f"{i} " + "Grüße 你好 🚀 " * (i % 50)).encode()
        yield key, value, [("client", library.encode())]


def show(offset, key, value, headers):
    text = lambda data: "NULL" if data is None else data.decode()
    pairs = ",".join(f"{name}={data.decode()}" for name, data in headers or ())
    sys.stdout.buffer.write(f"{offset}\t{text(key)}\t{text(value)}\t{pairs}\n".encode())


def say(line):
    sys.stdout.buffer.write(f"{line}\n".encode())


class Confluent:
    """librdkafka, the newest; kcat of the distribution has an older one."""

    @staticmethod
    def produce(bootstrap, topic, codecs, count):
        from confluent_kafka import Producer

        failures = []
        for codec in codecs:
            producer = Producer({
                "bootstrap.servers": bootstrap,
                "compression.type": codec,
                "enable.idempotence": True,
                "linger.ms": 20,
            })
            for key, value, headers in records("confluent-kafka", codec, count):
                producer.produce(topic, key=key, value=value, headers=headers, partition=0,
                                 on_delivery=lambda error, _: error and failures.append(error))
            left = producer.flush(60)
            if failures or left:
                sys.exit(f"{codec}: {left} records not acknowledged; {failures}")

    @staticmethod
    def consume(bootstrap, topic, count):
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, 0, 0)])
        for _ in range(count):
            message = consumer.poll(60)
            if message is None or message.error():
                sys.exit(f"no record: {message and message.error()}")
            show(message.offset(), message.key(), message.value(), message.headers())

    @staticmethod
    def admin(bootstrap, topic):
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

        admin = AdminClient({"bootstrap.servers": bootstrap})
        wanted = NewTopic(topic, num_partitions=3, replication_factor=1, config={"retention.ms": "12345678"})
        admin.create_topics([wanted])[topic].result()
        say("created")
        try:
            admin.create_topics([wanted])[topic].result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                say("duplicate")
        say(f"partitions {len(admin.list_topics(topic).topics[topic].partitions)}")
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        say(f"retention.ms {admin.describe_configs([resource])[resource].result()['retention.ms'].value}")
        admin.delete_topics([topic])[topic].result()
        while topic in admin.list_topics().topics:
            pass
        say("deleted")

    @staticmethod
    def keyless(bootstrap, topic, numbers, count):
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1000})
        outcomes = {}

        def note(number):
            def on_delivery(error, _):
                outcomes[number] = error.name() if error else "stored"
            return on_delivery

        for i in range(count):
            key = None if i in numbers else f"key-{i}"
            producer.produce(topic, key=key, value="x", partition=0, on_delivery=note(i))
        producer.flush(60)
        for i in range(count):
            say(f"{i} {outcomes.get(i)}")

    @staticmethod
    def change(bootstrap, topic):
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
                                           OffsetSpec)

        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_partitions([NewPartitions(topic, 5)])[topic].result()
        say(f"partitions {len(admin.list_topics(topic).topics[topic].partitions)}")
        changes = [
            ConfigEntry("retention.ms", "7654321", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=changes)
        admin.incremental_alter_configs([resource])[resource].result()
        configs = {}
        while not configs or configs["retention.ms"].value != "7654321":  # Kafka answers before it shows the change
            described = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)])
            configs = next(iter(described.values())).result()
        say(f"retention.ms {configs['retention.ms'].value}")
        say(f"cleanup.policy {configs['cleanup.policy'].value}")
        partition = TopicPartition(topic, 0, 2)
        say(f"low watermark {admin.delete_records([partition])[partition].result().low_watermark}")
        earliest = admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.earliest()})
        say(f"earliest {next(iter(earliest.values())).result().offset}")


class KafkaPython:
    @staticmethod
    def produce(bootstrap, topic, codecs, count):
        from kafka import KafkaProducer

        for codec in codecs:
            producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, enable_idempotence=True,
                                     compression_type=None if codec == "none" else codec)
            sent = [producer.send(topic, value, key, headers, partition=0)
                    for key, value, headers in records("kafka-python", codec, count)]
            for future in sent:
                future.get(60)
            producer.close()

    @staticmethod
    def consume(bootstrap, topic, count):
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, consumer_timeout_ms=60000)
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        for _ in range(count):
            record = next(consumer)
            show(record.offset, record.key, record.value, record.headers)
        consumer.close()

    @staticmethod
    def admin(bootstrap, topic):
        from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
        from kafka.errors import TopicAlreadyExistsError

        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        wanted = NewTopic(topic, num_partitions=3, replication_factor=1, topic_configs={"retention.ms": "12345678"})
        admin.create_topics([wanted])
        say("created")
        try:
            admin.create_topics([wanted])
        except TopicAlreadyExistsError:
            say("duplicate")
        say(f"partitions {len(admin.describe_topics([topic])[0]['partitions'])}")
        described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        say(f"retention.ms {retention(described)}")
        admin.delete_topics([topic])
        while topic in admin.list_topics():
            pass
        say("deleted")
        admin.close()


def retention(described):
    """retention.ms in what describe_configs returns, wherever this release has put it."""
    if isinstance(described, dict):
        if "retention.ms" in described:
            found = described["retention.ms"]
            return found["value"] if isinstance(found, dict) else found
        return next(filter(None, map(retention, described.values())), None)
    return next(filter(None, map(retention, described)), None) if isinstance(described, (list, tuple)) else None


class Aiokafka:
    @staticmethod
    def produce(bootstrap, topic, codecs, count):
        async def main():
            from aiokafka import AIOKafkaProducer

            for codec in codecs:
                producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, enable_idempotence=True,
                                            compression_type=None if codec == "none" else codec)
                async with producer:
                    sent = [await producer.send(topic, value, key, partition=0, headers=headers)
                            for key, value, headers in records("aiokafka", codec, count)]
                    await asyncio.gather(*sent)

        asyncio.run(main())

    @staticmethod
    def consume(bootstrap, topic, count):
        async def main():
            from aiokafka import AIOKafkaConsumer, TopicPartition

            consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=None)
            async with consumer:
                partition = TopicPartition(topic, 0)
                consumer.assign([partition])
                await consumer.seek_to_beginning(partition)
                for _ in range(count):
                    record = await asyncio.wait_for(consumer.getone(), 60)
                    show(record.offset, record.key, record.value, record.headers)

        asyncio.run(main())

    @staticmethod
    def admin(bootstrap, topic):
        async def main():
            from aiokafka.admin import AIOKafkaAdminClient, NewTopic
            from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

            admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
            await admin.start()
            wanted = NewTopic(topic, num_partitions=3, replication_factor=1, topic_configs={"retention.ms": "12345678"})
            await admin.create_topics([wanted])
            say("created")
            again = await admin.create_topics([wanted])
            if again.topic_errors[0][1] == 36:
                say("duplicate")
            say(f"partitions {len((await admin.describe_topics([topic]))[0]['partitions'])}")
            answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            entries = answers[0].resources[0][4]
            say(f"retention.ms {next(entry[1] for entry in entries if entry[0] == 'retention.ms')}")
            await admin.delete_topics([topic])
            while topic in await admin.list_topics():
                pass
            say("deleted")
            await admin.close()

        asyncio.run(main())


LIBRARIES = {"confluent-kafka": Confluent, "kafka-python": KafkaPython, "aiokafka": Aiokafka}

if __name__ == "__main__":
    _, library, command, bootstrap, topic, *rest = sys.argv
    program = LIBRARIES[library]
    if command == "produce":
        program.produce(bootstrap, topic, rest[0].split(","), int(rest[1]))
    elif command == "consume":
        program.consume(bootstrap, topic, int(rest[0]))
    elif command == "keyless":
        program.keyless(bootstrap, topic, [int(number) for number in rest[0].split(",")], int(rest[1]))
    elif command == "change":
        program.change(bootstrap, topic)
    else:
        program.admin(bootstrap, topic)
    sys.stdout.flush()

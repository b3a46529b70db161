"""confluent-kafka (librdkafka) as a producer and a consumer of a replicated topic: `journal` of ../README.md.

    python journal.py confluent-kafka journal 127.0.0.1:9092 topic 6 name 100 all
"""

import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

TICK_S = 0.05
IN_FLIGHT_MAX = 300
PADDING = b" " + b"." * 60

printing = threading.Lock()
# Clients meet brokers that are paused: they must not wait for half a minute.
PATIENCE = {"socket.timeout.ms": 5000, "topic.metadata.refresh.interval.ms": 1000, "reconnect.backoff.max.ms": 200}


def say(*words):
    with printing:
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()


class Reader(threading.Thread):
    """Reads all partitions, and ends where it is told to."""

    def __init__(self, bootstrap, topic, partitions):
        super().__init__()
        self.consumer = consumer_of(bootstrap)
        self.next = [0] * partitions
        self.ends = None
        self.consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])

    def run(self):
        while self.ends is None or any(at < end for at, end in zip(self.next, self.ends)):
            message = self.consumer.poll(0.1)
            if message is None:
                continue
            if message.error():
                if message.error().code() == KafkaError._AUTO_OFFSET_RESET or message.error().fatal():
                    say("odd", message.partition(), str(message.error()).replace("\n", " "))
                continue
            say("read", message.partition(), message.offset(), message.value().split(b" ", 1)[0].decode())
            self.next[message.partition()] = message.offset() + 1
        self.consumer.close()


def consumer_of(bootstrap):
    return Consumer({
        "bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
        "auto.offset.reset": "error", "check.crcs": True, "fetch.wait.max.ms": 200, **PATIENCE,
    })


def ends_of(bootstrap, topic, partitions):
    # By a consumer of its own: calls to one wait for each other.
    consumer = consumer_of(bootstrap)
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=60)[1]
            for partition in range(partitions)]
    consumer.close()
    return ends


def journal(bootstrap, topic, partitions, name, rate, acks):
    reader = Reader(bootstrap, topic, partitions)
    reader.start()
    producer = Producer({
        "bootstrap.servers": bootstrap, "acks": acks, "enable.idempotence": acks == "all", "linger.ms": 5,
        "message.timeout.ms": 300000, "request.timeout.ms": 5000, **PATIENCE,
    })

    def note(partition, value):
        def on_delivery(error, message):
            if error:
                say("failed", partition, value, error.name())
            else:
                offset = message.offset()
                say("acknowledged", partition, -1 if offset is None else offset, value)
        return on_delivery

    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    number, due = 0, 0.0
    while not ended.is_set():
        due += rate * TICK_S
        while due >= 1:
            due -= 1
            if len(producer) >= IN_FLIGHT_MAX:
                continue
            partition = number % partitions
            value = f"{name}-{partition}-{number}"
            producer.produce(topic, value.encode() + PADDING, partition=partition, on_delivery=note(partition, value))
            number += 1
        producer.poll(0)
        time.sleep(TICK_S)
    if producer.flush(120) > 0:
        say("odd", 0, "not all was acknowledged at the end")
    reader.ends = ends_of(bootstrap, topic, partitions)
    reader.join()
    say("closed")


if __name__ == "__main__":
    _, _, _, bootstrap, topic, partitions, name, rate, acks = sys.argv
    journal(bootstrap, topic, int(partitions), name, float(rate), acks)

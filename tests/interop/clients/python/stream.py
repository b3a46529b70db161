"""confluent-kafka (librdkafka) as idempotent producers that write numbered records until SIGTERM, and as the reader that checks them:
`stream` and `runs` of ../README.md.

    python stream.py confluent-kafka stream 127.0.0.1:9092 topic:0:zstd
    python stream.py confluent-kafka runs 127.0.0.1:9092 topic:0
"""

import signal
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

IN_FLIGHT_MAX = 40

stopped = threading.Event()
printing = threading.Lock()


def say(*words):
    with printing:
        sys.stdout.write(" ".join(map(str, words)) + "\n")


def noise():
    state, letters = 1, bytearray()
    for _ in range(130_000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        letters.append(97 + (state >> 16) % 16)
    return bytes(letters)


NOISE = noise()
BLANKS = 200


def value_of(number):
    length = 120_000 if number % 400 == 200 else number % 50 * 20
    # With the blanks every batch shrinks: librdkafka sends one that does not as it is.
    return b"%d " % number + NOISE[number % 1000:number % 1000 + length] + b" " * BLANKS


def stream(bootstrap, topic, partition, codec):
    producer = Producer({
        "bootstrap.servers": bootstrap,
        "compression.type": codec,
        "enable.idempotence": True,
        "linger.ms": 2,
        "batch.num.messages": 16,
        "reconnect.backoff.max.ms": 200,
    })

    def note(number):
        def on_delivery(error, message):
            if error:
                say("failed", topic, partition, number, error.name())
            else:
                offset = message.offset()
                # A duplicate of a batch whose offset the broker no longer knows has none.
                say("acknowledged", topic, partition, -1 if offset is None else offset, number)
        return on_delivery

    number = 0
    while not stopped.is_set():
        while len(producer) < IN_FLIGHT_MAX:
            producer.produce(topic, value_of(number), partition=partition, on_delivery=note(number))
            number += 1
        producer.poll(0.05)
    producer.flush(120)
    say("sent", topic, partition, number)


def streams(bootstrap, targets):
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    threads = []
    for topic, partition, codec in (target.split(":") for target in targets):
        threads.append(threading.Thread(target=stream, args=(bootstrap, topic, int(partition), codec)))
        threads[-1].start()
    while any(thread.is_alive() for thread in threads):
        with printing:
            sys.stdout.flush()
        time.sleep(0.01)
    say("closed")
    sys.stdout.flush()


class Runs:
    """Prints each run of offsets and numbers of a partition that grow together."""

    def __init__(self, topic, partition, end):
        self.place = (topic, partition)
        self.end = end
        self.next = 0
        self.run = None

    def take(self, offset, value):
        number = int(value[:value.index(b" ")])
        if value != value_of(number):
            say("wrong", *self.place, offset)
        if self.run and offset == self.next and number == self.run[1] + self.run[2]:
            self.run[2] += 1
        else:
            self.show()
            self.run = [offset, number, 1]
        self.next = offset + 1

    def show(self):
        if self.run:
            say("run", *self.place, *self.run)


def next_messages(consumer):
    """consume() waits until it has all that it was asked for."""
    first = consumer.poll(60)
    return [] if first is None else [first, *consumer.consume(1000, timeout=0)]


def runs(bootstrap, targets):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
                         "auto.offset.reset": "error", "check.crcs": True, "fetch.wait.max.ms": 20})
    places = [(topic, int(partition)) for topic, partition in (target.split(":") for target in targets)]
    found = {place: Runs(*place, consumer.get_watermark_offsets(TopicPartition(*place), timeout=60)[1])
             for place in places}
    consumer.assign([TopicPartition(*place, 0) for place in places])
    left = {place for place in places if found[place].end > 0}
    while left:
        messages = next_messages(consumer)
        if not messages:
            sys.exit(f"no record for a minute, though {left} have not ended")
        for message in messages:
            if message.error():
                sys.exit(f"{message.topic()}-{message.partition()}: {message.error()}")
            place = (message.topic(), message.partition())
            if place in left:
                found[place].take(message.offset(), message.value())
                if found[place].next >= found[place].end:
                    left.remove(place)
    for place in places:
        found[place].show()
        say("end", *place, found[place].end)
    consumer.close()


if __name__ == "__main__":
    _, library, command, bootstrap, *targets = sys.argv
    (streams if command == "stream" else runs)(bootstrap, targets)
    sys.stdout.flush()

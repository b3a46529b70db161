"""kafka-python without retries writes to partitions with acks=all until its standard input ends. Prints how often each answer came, as
"name count" lines; "NoError" for those that were acknowledged.

    python acknowledgements.py 127.0.0.1:9092 topic partitions
"""

import collections
import sys
import threading

from kafka import KafkaProducer

bootstrap, topic, partitions = sys.argv[1], sys.argv[2], int(sys.argv[3])
producer = KafkaProducer(
    bootstrap_servers=bootstrap,
    acks="all",
    retries=0,
    enable_idempotence=False,
    linger_ms=0,
    batch_size=0,
    max_in_flight_requests_per_connection=5,
    request_timeout_ms=5000,
)
answers = collections.Counter()
is_over = threading.Event()


def read_input():
    sys.stdin.read()
    is_over.set()


threading.Thread(target=read_input, daemon=True).start()
producer.partitions_for(topic)
print("writing", flush=True)
count = 0
while not is_over.is_set():
    waiting = [producer.send(topic, b"a record", partition=(count + i) % partitions) for i in range(partitions)]
    count += len(waiting)
    for future in waiting:
        try:
            future.get(10)
            answers["NoError"] += 1
        except Exception as error:
            answers[type(error).__name__] += 1
            if type(error).__name__ == "NotEnoughReplicasAfterAppendError" and answers[type(error).__name__] == 1:
                print("seen", flush=True)
for name, times in answers.items():
    print(name, times, flush=True)

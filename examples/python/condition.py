"""threading.Condition over a mutex that other processes share: threads of one process wait for each other under it."""

import os
import tempfile
import threading

import shmutex

with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
    condition = threading.Condition(shmutex.SharedMutex(os.path.join(directory, "queue.lock"), recursive=True))
    queue, eaten = [], []

    def eat():
        with condition:
            while len(eaten) < 3:
                condition.wait_for(lambda: queue)
                eaten.append(queue.pop(0))

    eater = threading.Thread(target=eat)
    eater.start()
    for dish in ("soup", "fish", "cake"):
        with condition:
            queue.append(dish)
            condition.notify()
    eater.join()
    print(eaten)
print("OK: waited and notified")

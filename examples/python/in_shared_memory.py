"""A lock inside the memory that it protects: no file of its own, initialised by the first that comes."""

import multiprocessing
from multiprocessing import shared_memory

import shmutex

LOCK = shmutex.SharedMutex.SIZE


def add(name, count):
    memory = shared_memory.SharedMemory(name)
    mutex = shmutex.SharedMutex.from_buffer(memory.buf)  # zeroed memory is initialised exactly once
    total = memory.buf[LOCK : LOCK + 8].cast("q")
    for _ in range(count):
        with mutex:
            total[0] += 1
    total.release()
    mutex.close()  # lets the buffer go
    memory.close()


if __name__ == "__main__":
    memory = shared_memory.SharedMemory(create=True, size=4096)
    try:
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=add, args=(memory.name, 5000)) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        total = int.from_bytes(memory.buf[LOCK : LOCK + 8], "little")
        assert total == 15000, total
    finally:
        memory.close()
        memory.unlink()
    print("OK:", total)

#!/usr/bin/env python3
"""Writes tests/hostile/corpus: images of every kind of object, and of damaged ones.

    images.py [--check] DIRECTORY

An image is one byte of choices for fuzz_file.cpp (what to fill in when it is tried), the header, and the last line of the
first page; for an object in memory, its private line follows. Nothing here is taken from the library: this is the format
a second time, as docs/man/shmutex.5 has it. --check says which files of the directory are missing or different.
"""

import pathlib
import struct
import sys

HEADER = struct.Struct("=Q16sIIHHIIIIHhQQQQQQQQQ")
LINE = struct.Struct("=QIIQQQIIIIII")
NAMES = (
    "magic boot_id validity version kind pages must_understand may_ignore attributes unit_size word_offset futex_offset "
    "device inode scope_start pid_namespace checksum label label_token waiting_since waiting_token"
).split()
LINE_NAMES = (
    "contended recoveries last_dead_tid last_owner token yield_until state baton depth probed marks word".split()
)

FILE, MEMORY = int.from_bytes(b"shmutex\n", "little"), int.from_bytes(b"shmutbu\n", "little")
VALID, RESETTING, DESTROYED = 0x1D0C57A1, 0x5E771246, 0xDEAD10CC
RECURSIVE, FAIR = 1, 2
POISONED, RETIRED, INCONSISTENT = 1, 2, 4
WAITERS, OWNER_DIED = 0x80000000, 0x40000000
NOBODY = 0x3FFFFFF0  # a TID that no thread has
IN_MEMORY = 0x800  # of the attributes in the private line

# fuzz_file.cpp: fill in this boot, this PID namespace, the right checksum; then the size of a page.
BOOT, NAMESPACE, SUM = 1, 2, 4
HERE = BOOT | NAMESPACE | SUM
PAGE = {4096: 1 << 3, 8192: 2 << 3, 65536: 3 << 3}
AS_MEMORY, THREE_TIMES = 0x20, 0x40

KINDS = {"mutex": 0, "condition": 1, "event": 2, "semaphore": 3, "rwlock": 4, "barrier": 5, "ring": 6, "of-later": 7}


def header(**fields):
    page = fields.get("unit_size", 4096)
    values = {
        "magic": FILE,
        "boot_id": bytes(range(16)),
        "validity": VALID,
        "version": 1,
        "pages": 1,
        "unit_size": page,
        "word_offset": (page - 4) & 0xFFFF,
        "futex_offset": -32,
        "pid_namespace": 1,
    }
    values.update(fields)
    return HEADER.pack(*(values.get(name, 0) for name in NAMES))


def line(**fields):
    values = {"contended": 3, "recoveries": 1, "last_dead_tid": 77, "token": 0x18C0000000000001}
    values.update(fields)
    return LINE.pack(*(values.get(name, 0) for name in LINE_NAMES))


def in_file(choices=HERE, page=4096, head=None, **fields):
    return bytes([choices | PAGE[page]]) + header(**dict({"unit_size": page}, **(head or {}))) + line(**fields)


def in_memory(choices=HERE, head=None, private=b"", **fields):
    head = dict({"magic": MEMORY, "unit_size": 256, "word_offset": 188}, **(head or {}))
    attributes = struct.pack("=I", head.get("attributes", 0) | IN_MEMORY)
    private = private or bytes(36) + attributes + bytes(24)
    return bytes([choices | AS_MEMORY]) + header(**head) + line(**fields) + private


def images():
    yield "valid", in_file()
    yield "memory", in_memory(word=OWNER_DIED)
    for name, kind in KINDS.items():
        yield f"kind-{name}", in_file(head={"kind": kind})
        yield f"kind-{name}-other-boot", in_file(NAMESPACE | SUM, head={"kind": kind})
        yield f"kind-{name}-half-reset", in_file(head={"kind": kind, "validity": RESETTING})
        yield f"kind-{name}-memory", in_memory(head={"kind": kind})
        yield f"kind-{name}-memory-unset", in_memory(head={"kind": kind, "validity": 0})
    for name, field in (
        ("must-understand", "must_understand"),
        ("attribute", "attributes"),
        ("may-ignore", "may_ignore"),
    ):
        for bit in 2, 30, 31:
            yield f"{name}-{bit}", in_file(head={field: 1 << bit})
            yield f"{name}-{bit}-other-boot", in_file(NAMESPACE | SUM, head={field: 1 << bit})
            yield f"{name}-{bit}-other-version", in_file(NAMESPACE, head={field: 1 << bit, "version": 9})
            yield f"{name}-{bit}-memory", in_memory(head={field: 1 << bit})
    yield "slots-behind", in_file(HERE | THREE_TIMES, head={"must_understand": 1, "attributes": 4})
    yield "advice", in_file(head=dict.fromkeys(["label", "label_token", "waiting_since", "waiting_token"], 2**64 - 1))
    # States of a mutex
    yield "recursive", in_file(head={"attributes": RECURSIVE}, depth=7, word=OWNER_DIED)
    yield "owner-died", in_file(word=OWNER_DIED)
    yield "free-waiters", in_file(word=WAITERS | OWNER_DIED, baton=WAITERS)
    yield "held-by-nobody", in_file(word=NOBODY, depth=2, last_owner=5 << 32 | NOBODY)
    yield "held-waiters", in_file(word=WAITERS | NOBODY, baton=WAITERS | NOBODY - 16)
    yield "baton-held", in_file(word=NOBODY, baton=NOBODY - 16)
    yield "fair-held-by-nobody", in_file(head={"attributes": FAIR}, word=WAITERS | NOBODY)
    yield "fair-inconsistent", in_file(head={"attributes": FAIR}, state=INCONSISTENT)
    yield "far-yield-until", in_file(yield_until=2**64 - 1)
    yield "poisoned", in_file(state=POISONED)
    yield "retired", in_file(state=RETIRED)
    yield "unknown-states", in_file(state=0xFFFFFFF8)
    yield "memory-retired", in_memory(state=RETIRED)
    yield (
        "memory-marked-by-nobody",
        in_memory(private=bytes(36) + struct.pack("=IQ", IN_MEMORY, 0x04030201) + bytes(16)),
    )
    # Of elsewhere
    yield "other-boot", in_file(NAMESPACE | SUM, word=WAITERS | 55)
    yield "other-boot-bad-checksum", in_file(NAMESPACE)
    yield "other-boot-other-version", in_file(NAMESPACE | SUM, head={"version": 9}, word=OWNER_DIED)
    yield "other-boot-page-8192", in_file(NAMESPACE | SUM, 8192, word=55)
    yield "other-boot-retired", in_file(NAMESPACE | SUM, state=7)
    yield "other-namespace", in_file(BOOT | SUM, word=55)
    yield "other-scope-start", in_file(head={"scope_start": 5}, word=55)
    yield "other-file", in_file(head={"device": 1, "inode": 2}, word=55)
    yield "other-version", in_file(head={"version": 2})
    yield "other-word-offset", in_file(head={"word_offset": 4032})
    yield "other-futex-offset", in_file(head={"futex_offset": -28})
    yield "other-byte-order", other_byte_order()
    yield "page-65536", in_file(page=65536)
    yield "memory-other-boot", in_memory(NAMESPACE | SUM)
    yield "memory-other-version", in_memory(head={"version": 3})
    yield "memory-other-futex-offset", in_memory(head={"futex_offset": -28})
    # Damaged, and unfinished
    yield "bad-checksum", in_file(BOOT | NAMESPACE)
    yield "destroyed", in_file(head={"validity": DESTROYED})
    yield "half-created", in_file(head={"validity": 0})
    yield "half-reset", in_file(head={"validity": RESETTING}, word=OWNER_DIED)
    yield "half-reset-page-65536", in_file(page=65536, head={"validity": RESETTING})
    yield "no-pages", in_file(head={"pages": 0})
    yield "two-pages", in_file(page=8192, head={"pages": 2, "unit_size": 4096})
    yield "many-pages", in_file(head={"pages": 65535})
    yield "three-pages", in_file(HERE | THREE_TIMES, head={"unit_size": 12288})
    yield "too-large", in_file(HERE | THREE_TIMES, page=65536, head={"unit_size": 196608})
    yield "unit-size-lies", in_file(page=8192, head={"unit_size": 4096})
    yield "header-alone", bytes([HERE]) + header()
    yield "short", b"\0short"
    yield "empty", b""


def other_byte_order():
    swapped = struct.Struct(">" + HEADER.format.lstrip("="))
    head = swapped.pack(*HEADER.unpack(header()))
    return bytes([HERE | PAGE[4096]]) + head + line()


def main(arguments):
    check = arguments[:1] == ["--check"]
    directory = pathlib.Path(arguments[-1])
    wanted = dict(images())
    assert (HEADER.size, LINE.size) == (128, 64)
    if check:
        found = {path.name: path.read_bytes() for path in directory.iterdir()}
        wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        print(f"{len(wanted)} images" if not wrong else f"not as images.py makes them: {' '.join(wrong)}")
        return 1 if wrong else 0
    for path in directory.iterdir():
        path.unlink()
    for name, content in wanted.items():
        (directory / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

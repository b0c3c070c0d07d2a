"""Measure how fast this machine's RAM is read and written, by copying for a moment on every core."""

from __future__ import annotations

import ctypes
import mmap
import threading
import time

_BLOCK_BYTES = 32 << 20  # far more than any cache keeps of a block while all cores copy
_ROUNDS = 3
_BUDGET_S = 0.6
_MAX_THREADS = 16  # more add nothing: the memory is the limit, not the cores


def measure_ram_bandwidth(threads: int, block_bytes: int = _BLOCK_BYTES) -> float:
    """Return bytes per second, read and written together, the best of a few rounds; takes under a second.

    The interpreter's lock is free while ctypes copies. Returns 0 where there is no memory for it.
    """
    count = max(1, min(threads, _MAX_THREADS))
    try:
        blocks = [(mmap.mmap(-1, block_bytes), mmap.mmap(-1, block_bytes)) for _ in range(count)]
    except OSError:
        return 0.0
    pairs = [(_touched(source), _touched(target)) for source, target in blocks]
    best, started = 0.0, time.perf_counter()
    for _ in range(_ROUNDS):
        took_s = _copy_all(pairs, block_bytes)
        best = max(best, 2 * block_bytes * count / took_s)
        if time.perf_counter() - started > _BUDGET_S:
            break
    return best


def _touched(memory: mmap.mmap) -> ctypes.Array[ctypes.c_char]:
    """Return the bytes of `memory`, each page of which the system has really given."""
    view = (ctypes.c_char * len(memory)).from_buffer(memory)
    ctypes.memset(view, 1, len(memory))
    return view


def _copy_all(pairs: list[tuple[ctypes.Array[ctypes.c_char], ctypes.Array[ctypes.c_char]]], n_bytes: int) -> float:
    """Copy every pair on a thread of its own; return the seconds until the last one was done."""
    ready = threading.Barrier(len(pairs) + 1)

    def copy(source: ctypes.Array[ctypes.c_char], target: ctypes.Array[ctypes.c_char]) -> None:
        ready.wait()
        ctypes.memmove(target, source, n_bytes)

    workers = [threading.Thread(target=copy, args=pair, daemon=True) for pair in pairs]
    for worker in workers:
        worker.start()
    ready.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    return max(time.perf_counter() - started, 1e-6)

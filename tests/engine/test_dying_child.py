"""What a dying child leaves behind is true, also while its other threads still run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.core.errors import EngineCrashed, EngineOutOfGpuMemory, EngineOutOfMemory
from app.engine.endings import Ending, explain
from app.engine.wire import Beat

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and limits")

ROOT = Path(__file__).resolve().parents[2]
MIB, GIB = 1 << 20, 1 << 30
SMALL_BUFFER_BYTES = 1024
DEATHS = 5

# The other thread makes and forgets frames, as any does that runs Python, while the first one dies in native code.
ABORTED = """
import ctypes, threading
from app.engine.child.ties import tie_to_parent
tie_to_parent()
def descend(depth):
    return depth and descend(depth - 1)
def work():
    while True:
        descend(300)
threading.Thread(target=work, daemon=True).start()
ctypes.CDLL(None).abort()
"""
LIMITED = """
import resource, sys
from app.engine.child.vitals import ram_bytes
free, whole = ram_bytes()
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(free, whole, *ram_bytes())
"""


def abort_beside_a_busy_thread() -> tuple[int, str]:
    """Let a child die whose standard error is read slowly; return its exit code and what it wrote."""
    ours, its = socket.socketpair()
    its.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
    said = b""
    with ours, subprocess.Popen([sys.executable, "-c", ABORTED], cwd=ROOT, stderr=its.fileno()) as child:
        its.close()
        while piece := ours.recv(64):
            said += piece
            threading.Event().wait(0.005)
    return child.returncode, said.decode()


def test_an_abort_stays_an_abort_while_other_threads_run() -> None:
    for _ in range(DEATHS):
        exit_code, said = abort_beside_a_busy_thread()
        assert "Fatal Python error: Aborted" in said
        assert exit_code == -signal.SIGABRT


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_limit_of_the_process_counts_as_the_memory_there_is() -> None:
    limit = 8 * GIB
    output = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    free, whole, free_within, whole_within = map(int, output.split())
    assert whole_within == min(whole, limit)
    assert 0 < free_within < limit
    assert free_within <= free + GIB


def explained(exit_code: int, beat: Beat, last_words: str = "", tail: str = "") -> EngineCrashed:
    error = explain(Ending(exit_code, last_words, tail, babbled=False, greeted=True, beat=beat))
    assert isinstance(error, EngineCrashed)
    return error


PLENTY = Beat(23 * GIB, 4 * GIB, 32 * GIB)
USED_UP = Beat(23 * GIB, 100 * MIB, 32 * GIB)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_whatever_breaks_when_memory_is_used_up_broke_for_want_of_it(number: signal.Signals) -> None:
    error = explained(-number, USED_UP)
    assert isinstance(error, EngineOutOfMemory)
    assert "memory ran out: it held 23.0 GiB, and 0.1 of 32.0 GiB were free" in str(error)
    assert type(explained(-number, PLENTY)) is EngineCrashed


def test_what_was_said_before_a_fault_says_why() -> None:
    thrown = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"
    assert type(explained(-signal.SIGSEGV, PLENTY, tail=thrown)) is EngineOutOfMemory
    assert isinstance(explained(-signal.SIGSEGV, PLENTY, last_words="CUDA error: out of memory"), EngineOutOfGpuMemory)
    assert "“GGML_ASSERT(n > 0) failed, ggml.c:9”" in str(
        explained(-signal.SIGSEGV, PLENTY, last_words="/x/ggml.c:9: GGML_ASSERT(n > 0) failed")
    )


def test_a_fault_is_not_put_down_to_an_older_line() -> None:
    old = "W failed to allocate CUDA0 buffer of size 9\nI loaded with fewer layers"
    assert "made a memory error" in str(explained(-signal.SIGSEGV, PLENTY, tail=old))

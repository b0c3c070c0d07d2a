"""What ties the child to its parent and keeps its accidents small."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "500"


def tie_to_parent() -> None:
    """Die with the parent, leave Ctrl+C to it, and be the one the system ends first when memory runs out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Not all threads: the others run on while one dies, and reading what they change turns an abort into a SIGSEGV.
    faulthandler.enable(all_threads=False)
    if sys.platform == "linux":
        _die_with_parent()
        with contextlib.suppress(OSError):  # a hardened system may forbid it
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    if sys.platform != "win32":
        _leave_no_core()


def _die_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died while this was arranged
        os._exit(0)


def _leave_no_core() -> None:
    import resource  # noqa: PLC0415 - does not exist on Windows

    # A core file of a process that holds a model can fill a disk.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

"""What the operating system says about this process and the memory around it; zeros where it says nothing."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from app.engine.child.watch import Look

_KIB = 1024


def look_at_process(steps: int) -> Look:
    """Return what there is to see of this process."""
    return Look(time.monotonic(), steps, time.process_time(), _read_bytes(), own_bytes())


def own_bytes() -> int:
    """Return how much RAM this process holds."""
    return _pages_bytes(1)


def ram_bytes() -> tuple[int, int]:
    """Return how much RAM this process can have now, and how much it could have in all."""
    fields = dict(line.split(":", 1) for line in _text("/proc/meminfo").splitlines() if ":" in line)
    available, total = (int(fields.get(name, "0").split()[0]) * _KIB for name in ("MemAvailable", "MemTotal"))
    limit = _limit_bytes()
    return max(0, min(available, limit - _pages_bytes(0))), min(total, limit)


def _limit_bytes() -> int:
    """Return how much memory the person or the system allows this process (`ulimit -v`)."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource  # noqa: PLC0415 - does not exist on Windows

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def _pages_bytes(field: int) -> int:
    """Return a field of this process's own account of its pages: 0 what it has mapped, 1 what lies in RAM."""
    fields = _text("/proc/self/statm").split()
    return int(fields[field]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > field else 0


def _read_bytes() -> int:
    """Return what was read from disks, also by way of mapped files."""
    fields = dict(line.split(":", 1) for line in _text("/proc/self/io").splitlines() if ":" in line)
    return int(fields.get("read_bytes", 0))


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:  # not this kind of system, or not for us
        return ""

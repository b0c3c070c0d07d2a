"""What the operating system says about this process and the memory around it; zeros where it says nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

from app.engine.child.watch import Look

_KIB = 1024


def look_at_process(steps: int) -> Look:
    """Return what there is to see of this process."""
    return Look(time.monotonic(), steps, time.process_time(), _read_bytes(), own_bytes())


def own_bytes() -> int:
    """Return how much RAM this process holds."""
    fields = _text("/proc/self/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def ram_bytes() -> tuple[int, int]:
    """Return how much RAM can be had now, and how much there is in all."""
    fields = dict(line.split(":", 1) for line in _text("/proc/meminfo").splitlines() if ":" in line)
    available, total = (fields.get(name, "0").split()[0] for name in ("MemAvailable", "MemTotal"))
    return int(available) * _KIB, int(total) * _KIB


def _read_bytes() -> int:
    """Return what was read from disks, also by way of mapped files."""
    fields = dict(line.split(":", 1) for line in _text("/proc/self/io").splitlines() if ":" in line)
    return int(fields.get("read_bytes", 0))


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:  # not this kind of system, or not for us
        return ""

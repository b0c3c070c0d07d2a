"""How many threads to compute with: physical cores that this process may really use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


def compute_threads() -> int:
    """Return the number of physical cores within the process's affinity and its CPU quota, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        usable = os.sched_getaffinity(0)
        cores = _physical_cores(usable)
    else:
        cores = max(1, (os.cpu_count() or 2) // 2)
    return max(1, min(cores, _quota()))


def _physical_cores(cpus: Iterable[int]) -> int:
    """Count cores: CPUs that share one have the same list of siblings."""
    siblings = set()
    for cpu in cpus:
        try:
            siblings.add((_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii"))
        except OSError:
            siblings.add(str(cpu))
    return len(siblings)


def _quota() -> int:
    try:
        allowed, period = _CGROUP_LIMIT.read_text(encoding="ascii").split()
        return math.ceil(int(allowed) / int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max": no limit
        return 1 << 16

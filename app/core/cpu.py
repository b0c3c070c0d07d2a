"""Ask the operating system what the CPU is called and how many cores this program may use."""

from __future__ import annotations

import os
import platform
from pathlib import Path

ROOT = Path("/")


def read_cpu_name(root: Path = ROOT) -> str:
    """Return the CPU's name for people."""
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "model name" and value.strip():
            return " ".join(value.split())
    return platform.processor() or platform.machine() or "unknown CPU"


def count_cores(root: Path = ROOT, usable: frozenset[int] | None = None) -> int:
    """Return how many physical cores may be used, at least 1.

    Two threads of one core count once: they share the arithmetic units that llama.cpp keeps busy. `usable`
    holds the numbers of the logical CPUs; without it the system is asked.
    """
    logical = _usable_cpus() if usable is None else usable
    cores = {core for cpu in logical if (core := _core(root, cpu))}
    count = len(cores) or len(logical)
    quota = _quota_cpus(root)
    return max(1, min(count, quota) if quota else count)


def cores_in_words(count: int, space: str = " ") -> str:
    """Return "1 core" or "8 cores", with `space` between."""
    return f"{count}{space}core{'' if count == 1 else 's'}"


def _usable_cpus() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    # Where cores can't be told from threads, two threads to a core is the common case.
    return frozenset(range(max(1, (os.cpu_count() or 2) // 2)))


def _core(root: Path, cpu: int) -> tuple[str, str] | None:
    topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
    core = _text(topology / "core_id").strip()
    return (_text(topology / "physical_package_id").strip(), core) if core else None


def _quota_cpus(root: Path) -> int:
    """Return the CPUs' worth of time a control group allows, 0 without a limit."""
    words = _text(root / "sys/fs/cgroup/cpu.max").split()
    if len(words) != 2 or not words[0].isdecimal() or not words[1].isdecimal() or words[1] == "0":
        return 0
    return max(1, -(-int(words[0]) // int(words[1])))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not there on this kind of system, or not for us: both mean it says nothing
        return ""

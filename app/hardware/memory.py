"""Ask the operating system how much RAM there is and how much of it can be used now."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Hold the RAM this program may use in all and now; the page cache counts as available."""

    total_bytes: int
    available_bytes: int


def read_memory(root: Path = ROOT) -> Memory:
    """Return what RAM there is; zeros where the system does not say."""
    if os.name == "nt":
        return _windows_memory()
    machine = _linux_memory(root) or _posix_memory()
    total, available = machine.total_bytes, machine.available_bytes
    for limit in _cgroup_limits(root):
        total, available = min(total, limit.total_bytes), min(available, limit.available_bytes)
    return Memory(total, max(available, 0))


def _linux_memory(root: Path) -> Memory | None:
    text = _text(root / "proc/meminfo")
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    sizes = {name: _first_number(value) * _KIB for name, value in fields.items()}
    if not sizes.get("MemTotal"):
        return None
    # Kernels before 3.14 have no MemAvailable.
    available = sizes.get("MemAvailable") or sizes.get("MemFree", 0) + sizes.get("Cached", 0)
    return Memory(sizes["MemTotal"], available)


def _posix_memory() -> Memory:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return Memory(0, 0)
    return Memory(total, total)


def _cgroup_limits(root: Path) -> list[Memory]:
    """Return the limits of every control group this process is in (containers, slices), v2 and v1."""
    limits: list[Memory] = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            groups, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            groups = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        own = Path(path.lstrip("/"))
        for group in (own, *own.parents):  # a container may see only the uppermost one
            limit = _limit(groups / group, *names)
            if limit:
                limits.append(limit)
    return limits


def _limit(group: Path, limit_name: str, usage_name: str, stat_prefix: str) -> Memory | None:
    limit = _first_number(_text(group / limit_name), missing=-1)  # "max" is no number
    if limit < 0:
        return None
    used = _first_number(_text(group / usage_name))
    counters = dict(line.split(" ", 1) for line in _text(group / "memory.stat").splitlines() if " " in line)
    cached = sum(_first_number(counters.get(f"{stat_prefix}{kind}_file", "")) for kind in ("active", "inactive"))
    return Memory(limit, limit - max(used - cached, 0))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not there on this kind of system, or not for us: both mean it says nothing
        return ""


def _first_number(text: str, missing: int = 0) -> int:
    words = text.split()
    return int(words[0]) if words and words[0].isdecimal() else missing


class _MemoryStatus(ctypes.Structure):
    """Mirror Windows' MEMORYSTATUSEX."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load_percent", ctypes.c_uint32),
        ("total_bytes", ctypes.c_uint64),
        ("available_bytes", ctypes.c_uint64),
        *((name, ctypes.c_uint64) for name in ("page_total", "page_free", "virtual_total", "virtual_free")),
        ("virtual_extended_free", ctypes.c_uint64),
    )


def _windows_memory() -> Memory:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  exists on Windows only, so no type checker knows it
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        return Memory(0, 0)
    return Memory(status.total_bytes, status.available_bytes)

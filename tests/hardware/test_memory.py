"""What the operating system says is read from trees of files like those of a real machine."""

from __future__ import annotations

from pathlib import Path

from app.hardware.machine import read_hardware
from app.hardware.memory import Memory, read_memory

GIB = 1 << 30
MEMINFO = "MemTotal: 67108864 kB\nMemFree: 1048576 kB\nMemAvailable: 52428800 kB\nCached: 41943040 kB\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_available_counts_the_page_cache(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/meminfo": MEMINFO})
    assert read_memory(root) == Memory(64 * GIB, 50 * GIB)


def test_a_kernel_without_the_sum(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/meminfo": MEMINFO.replace("MemAvailable", "Other")})
    assert read_memory(root) == Memory(64 * GIB, 41 * GIB)


def test_a_container_s_limit(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/machine.slice/box.scope"
    root = write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/machine.slice/box.scope\n",
            f"{group}/memory.max": f"{32 * GIB}\n",
            f"{group}/memory.current": f"{20 * GIB}\n",
            f"{group}/memory.stat": f"anon {8 * GIB}\nactive_file {2 * GIB}\ninactive_file {10 * GIB}\n",
            "sys/fs/cgroup/machine.slice/memory.max": "max\n",
        },
    )
    assert read_memory(root) == Memory(32 * GIB, 24 * GIB)
    write(root, {"sys/fs/cgroup/machine.slice/memory.max": f"{16 * GIB}\n"})
    assert read_memory(root) == Memory(16 * GIB, 16 * GIB)


def test_an_old_container_s_limit(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/memory/docker/1"
    root = write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n",
            f"{group}/memory.limit_in_bytes": f"{8 * GIB}\n",
            f"{group}/memory.usage_in_bytes": f"{6 * GIB}\n",
            f"{group}/memory.stat": f"total_active_file {GIB}\ntotal_inactive_file {2 * GIB}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert read_memory(root) == Memory(8 * GIB, 5 * GIB)


def test_a_full_container_has_nothing_left(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{GIB}\n",
            "sys/fs/cgroup/memory.current": f"{2 * GIB}\n",
        },
    )
    assert read_memory(root) == Memory(GIB, 0)


def test_odd_files_do_no_harm(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/meminfo": "nonsense\nMemTotal: many\n", "proc/self/cgroup": "\nx\n1:memory\n"})
    assert read_memory(root).total_bytes > 0  # from the C library instead


def test_this_machine() -> None:
    hardware = read_hardware()
    assert 0 < hardware.ram_available_bytes <= hardware.ram_total_bytes
    assert hardware.cpu_cores >= 1
    assert hardware.cpu_name
    assert hardware.gpus or hardware.notes

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.cpu import count_cores, read_cpu_name


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_two_threads_of_a_core_count_once(tmp_path: Path) -> None:
    files = {}
    for cpu in range(8):
        topology = f"sys/devices/system/cpu/cpu{cpu}/topology"
        files |= {
            f"{topology}/core_id": f"{cpu // 2 % 2}\n",
            f"{topology}/physical_package_id": f"{cpu // 4}\n",
        }
    root = write(tmp_path, files)
    assert count_cores(root, frozenset(range(8))) == 4
    assert count_cores(root, frozenset({0, 1, 4})) == 2
    write(root, {"sys/fs/cgroup/cpu.max": "150000 100000\n"})
    assert count_cores(root, frozenset(range(8))) == 2
    write(root, {"sys/fs/cgroup/cpu.max": "max 100000\n"})
    assert count_cores(root, frozenset(range(8))) == 4


def test_without_topology_every_cpu_counts(tmp_path: Path) -> None:
    assert count_cores(tmp_path, frozenset(range(3))) == 3
    assert count_cores(tmp_path, frozenset()) == 1


def test_the_cpu_s_name(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/cpuinfo": "processor: 0\nmodel name\t: AMD  Ryzen 9 7950X\nmodel name: other\n"})
    assert read_cpu_name(root) == "AMD Ryzen 9 7950X"
    assert read_cpu_name(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("limit", "expected"), [("max 100000", 4), ("150000 100000", 2), ("nonsense", 4), ("50000 100000", 1)]
)
def test_a_quota_bounds_the_cores(tmp_path: Path, limit: str, expected: int) -> None:
    files = {"sys/fs/cgroup/cpu.max": limit}
    for cpu in range(4):
        files[f"sys/devices/system/cpu/cpu{cpu}/topology/core_id"] = str(cpu)
        files[f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id"] = "0"
    assert count_cores(write(tmp_path, files), frozenset(range(4))) == expected

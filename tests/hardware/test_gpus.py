"""GPUs are read through the real binding, in a process of its own, from a fake of NVIDIA's library."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None or not sys.platform.startswith("linux"),
    reason="the fake of NVIDIA's library is compiled with gcc for Linux",
)

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import dataclasses, json
from app.hardware.machine import read_hardware
print(json.dumps([dataclasses.asdict(read_hardware()) for _ in range(2)]))
"""
GIB = 1 << 30


@dataclass
class Card:
    name: str = "NVIDIA GeForce RTX 4090"
    bus_id: str = "00000000:01:00.0"
    uuid: str = "GPU-1"
    total: int = 24 * GIB
    free: int = 23 * GIB
    display: int = 0
    mig: int = -1
    error: int = 0
    where: str = "-"

    def line(self) -> str:
        return "card " + "|".join(str(value) for value in vars(self).values())


Ask = Callable[..., dict[str, Any]]


def compile_fake(folder: Path, *options: str) -> Path:
    source = Path(__file__).with_name("fake_nvml.c")
    target = folder / "libnvidia-ml.so.1"
    command = ["gcc", "-shared", "-fPIC", "-Wall", "-Werror", *options, "-o", str(target), str(source)]
    subprocess.run(command, check=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_fake(tmp_path_factory.mktemp("nvml"))


def ask_child(library: Path, script: Path, *lines: str) -> dict[str, Any]:
    """Read the hardware twice in a child process; both answers must agree."""
    script.write_text("\n".join(lines) + "\n")
    environment = os.environ | {"LD_LIBRARY_PATH": str(library), "FAKE_NVML": str(script)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASK],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    first, second = json.loads(done.stdout)
    assert first["gpus"] == second["gpus"]
    assert first["notes"] == second["notes"]
    assert first["ram_total_bytes"] > 0
    return dict(first)


@pytest.fixture
def ask(library: Path, tmp_path: Path) -> Ask:
    return lambda *lines: ask_child(library, tmp_path / "script.txt", *lines)


def test_two_cards(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    far = Card(bus_id="00000000:C1:00.0", uuid="GPU-2", free=20 * GIB, display=1)
    found = ask(f"log {log}", far.line(), Card().line())
    assert found["notes"] == []
    details = {
        "bandwidth": 0.0,
        "driver": "570.86.10",
        "temperature_c": None,
        "load_percent": None,
        "processes": [],
        "takes_f32_experts": None,
    }
    assert found["gpus"] == [
        {
            "name": "NVIDIA GeForce RTX 4090",
            "bus_id": "00000000:01:00.0",
            "uuid": "GPU-1",
            "total_bytes": 24 * GIB,
            "free_bytes": 23 * GIB,
            "drives_display": False,
            **details,
        },
        {
            "name": "NVIDIA GeForce RTX 4090",
            "bus_id": "00000000:c1:00.0",
            "uuid": "GPU-2",
            "total_bytes": 24 * GIB,
            "free_bytes": 20 * GIB,
            "drives_display": True,
            **details,
        },
    ]
    assert log.read_text().split() == ["init", "shutdown", "init", "shutdown"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (9, "installed but not running"),
        (18, "was updated while the computer was running. Restart"),
        (4, "may not be used from this account"),
        (999, "can't be asked"),
    ],
)
def test_a_driver_that_does_not_start(ask: Ask, code: int, words: str) -> None:
    found = ask(f"init {code}", Card().line())
    assert found["gpus"] == []
    (note,) = found["notes"]
    assert words in note


def test_no_driver(tmp_path: Path) -> None:
    found = ask_child(tmp_path, tmp_path / "script.txt")
    assert found["gpus"] == []
    assert found["notes"] == ["No NVIDIA driver was found, so models run on the CPU."]


def test_a_broken_library(tmp_path: Path) -> None:
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"not a library")
    assert ask_child(tmp_path, tmp_path / "script.txt")["gpus"] == []


@pytest.mark.parametrize(
    ("where", "code", "words"),
    [
        ("handle", 15, "GPU 2 has stopped answering"),
        ("memory", 15, "GPU 2 has stopped answering"),
        ("memory", 3, "does not say how much memory"),
        ("handle", 4, "may not be used from this account"),
        ("name", 16, "needs a reset"),
        ("pci", 999, "can't be used"),
        ("uuid", 8, "lacks power"),
    ],
)
def test_one_card_fails_and_the_other_is_used(ask: Ask, where: str, code: int, words: str) -> None:
    broken = Card(bus_id="00000000:02:00.0", uuid="GPU-2", error=code, where=where)
    found = ask(Card().line(), broken.line())
    assert [gpu["uuid"] for gpu in found["gpus"]] == ["GPU-1"]
    (note,) = found["notes"]
    assert words in note


def test_a_card_divided_into_instances(ask: Ask) -> None:
    found = ask(Card(name="NVIDIA H100", mig=1).line(), Card(mig=0, uuid="GPU-2").line())
    assert [gpu["uuid"] for gpu in found["gpus"]] == ["GPU-2"]
    assert found["notes"] == [
        "NVIDIA H100 is divided into instances (MIG): at most one of them is used. Turn MIG off to use the whole GPU."
    ]


def test_the_list_fails(ask: Ask) -> None:
    found = ask("count 999", Card().line())
    assert found["gpus"] == []
    assert "does not list its GPUs" in found["notes"][0]


def test_a_driver_without_cards(ask: Ask) -> None:
    found = ask()
    assert found["gpus"] == []
    assert "finds no GPU" in found["notes"][0]


def test_an_old_driver_that_knows_no_mig_and_no_display(tmp_path: Path) -> None:
    library = compile_fake(tmp_path, "-DOLD_DRIVER")
    found = ask_child(library, tmp_path / "script.txt", Card(display=-1).line(), "process c|7|1024|/usr/bin/solver")
    assert [(gpu["uuid"], gpu["drives_display"]) for gpu in found["gpus"]] == [("GPU-1", False)]
    assert found["gpus"][0]["processes"] == [{"pid": 7, "name": "solver", "used_bytes": 1024}]
    assert found["notes"] == []


def test_meters_and_the_memory_s_speed(ask: Ask) -> None:
    found = ask(Card().line(), "meters 10501|384|61|97", Card(bus_id="00000000:02:00.0").line(), "meters 2619|-1|-1|0")
    first, second = found["gpus"]
    assert first["bandwidth"] == 10501e6 * 2 * 384 / 8  # the card's 1,008 GB/s
    assert (first["temperature_c"], first["load_percent"], first["driver"]) == (61, 97, "570.86.10")
    assert (second["bandwidth"], second["temperature_c"], second["load_percent"]) == (0.0, None, 0)


def test_who_holds_memory(ask: Ask) -> None:
    (gpu,) = ask(
        Card().line(),
        f"process g|100|{GIB}|/usr/lib/xorg/Xorg",
        f"process c|200|{5 * GIB}|C:\\Games\\game.exe --fullscreen",
        "process g|300|-1|/usr/bin/browser",
        f"process c|100|{GIB // 2}|/usr/lib/xorg/Xorg",
    )["gpus"]
    assert gpu["processes"] == [
        {"pid": 200, "name": "game.exe", "used_bytes": 5 * GIB},
        {"pid": 100, "name": "Xorg", "used_bytes": GIB},
        {"pid": 300, "name": "browser", "used_bytes": 0},
    ]


def test_a_card_lost_in_mid_session(library: Path, tmp_path: Path) -> None:
    """The same process reads again after the card has gone, and again after it has come back."""
    script, lost = tmp_path / "script.txt", Card(error=15, where="handle").line()
    other = Card(bus_id="00000000:02:00.0", uuid="GPU-2").line()
    code = (
        "import json, sys, pathlib\n"
        "from app.hardware.gpus import read_gpus\n"
        "for line in json.loads(sys.argv[2]):\n"
        "    pathlib.Path(sys.argv[1]).write_text(line + '\\n')\n"
        "    gpus, notes = read_gpus()\n"
        "    print(json.dumps([[gpu.uuid for gpu in gpus], notes]))\n"
    )
    steps = [f"{Card().line()}\n{other}", f"{lost}\n{other}", f"{Card().line()}\n{other}"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(script), json.dumps(steps)],
        cwd=ROOT,
        env=os.environ | {"LD_LIBRARY_PATH": str(library), "FAKE_NVML": str(script)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    before, gone, back = map(json.loads, done.stdout.splitlines())
    assert before == back == [["GPU-1", "GPU-2"], []]
    assert gone == [["GPU-2"], ["GPU 1 has stopped answering. Restart the computer to use it again."]]

"""`solo doctor`, `solo --version`, and the engine's report behind them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app import __version__
from app.console import doctor
from app.core.built_in import BUILT_IN_MODEL, BUILT_IN_NAME, BUILT_IN_PROJECTOR
from app.core.errors import EngineUnavailable
from app.core.facts import Gpu, GpuProcess, Hardware
from app.core.paths import Paths
from app.engine.process import child_environment, engine_command
from app.engine.report import EngineDevice, EngineReport, read_report, usable_hardware
from tests.console.conftest import ROOT, SOLO, Run

REPORT = {
    "version": "0.3.36",
    "system": "CPU : AVX2 = 1",
    "backends": ["CPU", "CUDA"],
    "failures": ["libggml-vulkan.so: no such library"],
    "devices": [{"name": "CUDA0", "description": "Card", "bus_id": "00000000:01:00.0", "is_gpu": True}],
}


def gpu(name: str, bus_id: str) -> Gpu:
    return Gpu(name, bus_id, f"uuid-{name}", 24 << 30, 20 << 30, False)


def says(text: str, code: int = 0) -> list[str]:
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({code})"]


def test_the_version(solo: Run) -> None:
    done = solo("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"Solo {__version__}")


@pytest.mark.model
def test_the_doctor_says_what_is_here(solo: Run, home: dict[str, str]) -> None:
    done = solo("doctor")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    sections = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert sections == [
        "Versions",
        "Engine",
        "Devices of the engine",
        "Graphics cards",
        "Memory and processor",
        "Built-in model",
        "Plans and what came of them",
        "Folders",
    ]
    for words in (f"Solo {__version__}", "llama-cpp-python 0.3.36", "Backends: CPU", "CPU: ", "GiB RAM"):
        assert words in done.stdout
    assert f"Conversations: {home['XDG_DATA_HOME']}" in done.stdout
    assert BUILT_IN_NAME in done.stdout
    for path in (BUILT_IN_MODEL, BUILT_IN_PROJECTOR):
        assert f"{path}: {path.stat().st_size / 1e6:.1f} MB" in done.stdout
    assert "(not there yet)" in done.stdout


@pytest.mark.model
def test_the_report_is_nothing_but_json_on_stdout() -> None:
    done = subprocess.run(
        [*engine_command(), "--report"], env=child_environment(), capture_output=True, check=True, timeout=120
    )
    report = json.loads(done.stdout)
    assert report.keys() == REPORT.keys()
    assert "CPU" in report["backends"]


@pytest.mark.model
def test_the_engine_reports_its_devices() -> None:
    report = read_report()
    assert report.version == "0.3.36"
    assert any(device.name == "CPU" and not device.is_gpu for device in report.devices)


def test_a_report_is_read() -> None:
    report = read_report(says(json.dumps(REPORT)))
    assert report.devices == (EngineDevice("CUDA0", "Card", "00000000:01:00.0", True),)
    assert report.failures == ("libggml-vulkan.so: no such library",)


@pytest.mark.parametrize(
    "command",
    [
        says("no json"),
        says("[]"),
        says("{}"),
        says(json.dumps({**REPORT, "devices": [1]})),
        says(json.dumps({**REPORT, "devices": None})),
        says(json.dumps(REPORT), code=3),
        ["/no/such/program"],
    ],
)
def test_a_report_that_can_not_be_used_is_a_sentence(command: list[str]) -> None:
    with pytest.raises(EngineUnavailable, match="could not be started"):
        read_report(command)


def test_cards_the_engine_can_not_use_are_left_out_and_noted() -> None:
    hardware = Hardware((gpu("Used", "00000000:01:00.0"), gpu("Old", "00000000:02:00.0")), 1, 1, "CPU", 1, ("Note.",))
    report = EngineReport("", "", (), (), (EngineDevice("CUDA0", "Used", "00000000:01:00.0", True),))
    usable = usable_hardware(hardware, report)
    assert [card.name for card in usable.gpus] == ["Used"]
    assert usable.notes[0] == "Note."
    assert usable.notes[1].startswith("Old is not used")
    assert len(usable.notes) == 2


def vulkan(name: str, bus_id: str, **own: object) -> EngineDevice:
    values = {"total_bytes": 16 << 30, "free_bytes": 15 << 30, "takes_f32_experts": False}
    return EngineDevice(name, f"Radeon at {name}", bus_id, True, **(values | own))  # type: ignore[arg-type]  # fields by name


def test_cards_that_only_the_engine_knows_are_used_with_what_it_says_of_them() -> None:
    hardware = Hardware((), 1, 1, "CPU", 1, ("No NVIDIA driver was found, so models run on the CPU.",))
    devices = (
        vulkan("Vulkan0", "00000000:03:00.0"),
        vulkan("Vulkan1", ""),
        vulkan("Vulkan2", "", shares_ram=True),
        vulkan("Vulkan3", "", total_bytes=0),
    )
    usable = usable_hardware(hardware, EngineReport("", "", (), (), devices))
    assert [(card.bus_id, card.free_bytes, card.takes_f32_experts) for card in usable.gpus] == [
        ("00000000:03:00.0", 15 << 30, False),
        ("vulkan1", 15 << 30, False),
    ]
    assert not any("so models run on the CPU" in note for note in usable.notes)
    assert "Radeon at Vulkan2 shares the system’s memory and is not used." in usable.notes


def test_a_card_with_two_backends_is_joined_by_bus_id_and_counted_once() -> None:
    hardware = Hardware((gpu("Card", "00000000:01:00.0"),), 1, 1, "CPU", 1)
    cuda = EngineDevice("CUDA1", "Card", "00000000:01:00.0", True, 24 << 30, 1, takes_f32_experts=True)
    report = EngineReport("", "", (), (), (cuda, vulkan("Vulkan0", "00000000:01:00.0")))
    (card,) = usable_hardware(hardware, report).gpus
    assert (card.free_bytes, card.takes_f32_experts) == (20 << 30, True)


@pytest.mark.model
def test_every_device_is_asked_whether_it_takes_marked_experts() -> None:
    assert all(device.takes_f32_experts is True for device in read_report().devices if device.name == "CPU")


def test_the_doctor_shows_cards_and_failures_and_a_missing_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    paths = Paths(*(tmp_path / name for name in ("data", "config", "cache", "logs", "models")))
    card = replace(
        gpu("Card", "00000000:01:00.0"),
        driver="570.86",
        bandwidth=1008e9,
        temperature_c=61,
        load_percent=0,
        processes=(GpuProcess(7, "game", 3 << 30), GpuProcess(8, "", 0)),
    )
    hardware = Hardware((card,), 64 << 30, 32 << 30, "Processor", 16)
    monkeypatch.setattr(doctor, "read_hardware", lambda: hardware)
    monkeypatch.setattr(doctor, "read_report", lambda: read_report(says(json.dumps(REPORT))))
    doctor.print_report(paths)
    shown = capsys.readouterr().out
    assert "Card at 00000000:01:00.0: 20.0 GiB free of 24.0 GiB" in shown
    assert "uuid-Card, driver 570.86, 1,008 GB/s, 61 °C, 0 % busy" in shown
    assert "process 7 (game) holds 3.0 GiB" in shown
    assert "process 8 (unknown) holds some memory" in shown
    assert "Not loaded: libggml-vulkan.so" in shown
    assert "32.0 GiB available of 64.0 GiB RAM" in shown
    monkeypatch.setattr(doctor, "read_report", lambda: read_report(["/no/such/program"]))
    doctor.print_report(paths)
    assert "could not be started" in capsys.readouterr().out


def test_the_models_begin_with_the_built_in_one(solo: Run) -> None:
    done = solo("models")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].startswith(BUILT_IN_NAME)
    assert json.loads(solo("models", "--json").stdout)[0]["path"] == str(BUILT_IN_MODEL)


def test_a_reader_that_leaves_the_doctor(home: dict[str, str]) -> None:
    line = f"{' '.join(SOLO)} doctor | true; echo code ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env=home, capture_output=True, encoding="utf-8", timeout=120, check=True
    )
    assert done.stdout.strip() == "code 1"
    assert done.stderr == ""

"""`solo doctor`: what is here, for a person who looks for the reason of something."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app import __version__
from app.core.errors import EngineUnavailable
from app.core.facts import Hardware
from app.core.paths import Paths
from app.engine.report import EngineReport, read_report
from app.hardware.machine import read_hardware

_PACKAGES = ("llama-cpp-python", "pyside6-essentials", "huggingface-hub", "pillow", "gguf", "nvidia-ml-py")
_GIB = 1 << 30


def print_report(paths: Paths) -> None:
    """Print versions, backends, devices, memory and folders."""
    for title, lines in _sections(paths):
        print(title)
        for line in lines:
            print(f"  {line}")
        print()


def _sections(paths: Paths) -> Iterator[tuple[str, list[str]]]:
    yield "Versions", list(_versions())
    hardware = read_hardware()
    try:
        report = read_report()
    except EngineUnavailable as error:
        yield "Engine", [str(error)]
    else:
        yield "Engine", list(_engine(report))
        yield "Devices of the engine", list(_devices(report))
    yield "Graphics cards", list(_gpus(hardware))
    yield "Memory and processor", list(_memory(hardware))
    yield "Folders", list(_folders(paths))


def _versions() -> Iterator[str]:
    yield f"Solo {__version__}"
    yield f"Python {platform.python_version()} ({sys.executable})"
    yield platform.platform()
    for package in _PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"{package} (version unknown)"


def _engine(report: EngineReport) -> Iterator[str]:
    yield f"llama.cpp as in llama-cpp-python {report.version}"
    yield f"Backends: {', '.join(report.backends) or 'none'}"
    for failure in report.failures:
        yield f"Not loaded: {failure}"
    yield report.system.strip()


def _devices(report: EngineReport) -> Iterator[str]:
    for device in report.devices:
        place = f" at {device.bus_id}" if device.bus_id else ""
        yield f"{device.name}: {device.description}{place}"


def _gpus(hardware: Hardware) -> Iterator[str]:
    for gpu in hardware.gpus:
        display = ", drives a display" if gpu.drives_display else ""
        yield f"{gpu.name} at {gpu.bus_id}: {_gib(gpu.free_bytes)} free of {_gib(gpu.total_bytes)}{display}"
    yield from hardware.notes


def _memory(hardware: Hardware) -> Iterator[str]:
    yield f"{_gib(hardware.ram_available_bytes)} available of {_gib(hardware.ram_total_bytes)} RAM"
    yield f"{hardware.cpu_name}, {hardware.cpu_cores} cores"


def _folders(paths: Paths) -> Iterator[str]:
    folders: dict[str, Path] = {
        "Conversations": paths.database,
        "Pictures": paths.attachments,
        "Settings": paths.settings,
        "Models": paths.models,
        "Logs": paths.logs,
        "Cache": paths.cache,
    }
    for name, path in folders.items():
        yield f"{name}: {path}{'' if path.exists() else ' (not there yet)'}"


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"

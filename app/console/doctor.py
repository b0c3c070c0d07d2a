"""`solo doctor`: what is here, for a person who looks for the reason of something."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app import __version__
from app.core.built_in import BUILT_IN_MODEL, BUILT_IN_NAME, BUILT_IN_PROJECTOR
from app.core.cpu import cores_in_words
from app.core.errors import EngineUnavailable
from app.core.facts import Gpu, Hardware
from app.core.paths import Paths
from app.engine.report import EngineReport, read_report
from app.hardware.machine import read_hardware
from app.hardware.notebook import Notebook

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
    yield "Built-in model", list(_built_in())
    yield "Plans and what came of them", list(_learned(Notebook(paths.measurements)))
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
        yield from (f"  {line}" for line in _card(gpu))
    yield from hardware.notes


def _card(gpu: Gpu) -> Iterator[str]:
    facts = {
        f"{gpu.uuid}": gpu.uuid,
        f"driver {gpu.driver}": gpu.driver,
        f"{gpu.bandwidth / 1e9:,.0f} GB/s": gpu.bandwidth,
        f"{gpu.temperature_c} °C": gpu.temperature_c is not None,
        f"{gpu.load_percent} % busy": gpu.load_percent is not None,
    }
    if known := ", ".join(text for text, is_known in facts.items() if is_known):
        yield known
    for process in gpu.processes:
        size = _gib(process.used_bytes) if process.used_bytes else "some memory"
        yield f"process {process.pid} ({process.name or 'unknown'}) holds {size}"


def _learned(notebook: Notebook) -> Iterator[str]:
    """Say by how much the last load of each model differed from its plan."""
    for name, lesson in notebook.lessons():
        extra = ", ".join(f"{device} {size / _GIB:+.2f} GiB" for device, size in lesson.extra_bytes.items())
        yield f"{name}: {extra or 'memory as planned'}; {lesson.speed_factor:.2f} of the expected speed"


def _memory(hardware: Hardware) -> Iterator[str]:
    yield f"{_gib(hardware.ram_available_bytes)} available of {_gib(hardware.ram_total_bytes)} RAM"
    yield f"{hardware.cpu_name}, {cores_in_words(hardware.cpu_cores)}"


def _built_in() -> Iterator[str]:
    yield BUILT_IN_NAME
    for path in (BUILT_IN_MODEL, BUILT_IN_PROJECTOR):
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "missing; install Solo again"
        yield f"{path}: {size}"


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

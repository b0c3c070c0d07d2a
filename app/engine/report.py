"""Ask the engine what it is and which devices it can use, in a process that ends at once."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.core.errors import EngineUnavailable
from app.core.facts import Hardware
from app.engine.process import child_environment, engine_command

log = logging.getLogger(__name__)

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class EngineDevice:
    """Name a device of llama.cpp; `bus_id` is empty where it has none."""

    name: str
    description: str
    bus_id: str
    is_gpu: bool


@dataclass(frozen=True, slots=True)
class EngineReport:
    """Say what the engine is made of; `failures` are backends that did not load, and why."""

    version: str
    system: str
    backends: tuple[str, ...]
    failures: tuple[str, ...]
    devices: tuple[EngineDevice, ...]


def read_report(command: Sequence[str] | None = None) -> EngineReport:
    """Return what the engine says of itself. Raises EngineUnavailable."""
    call = [*(command or engine_command()), "--report"]
    try:
        done = subprocess.run(
            call, env=child_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=True
        )
        return _parse(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        log.info("no report from the engine: %s\n%s", error, _last_lines(error))
        raise EngineUnavailable(
            "The engine could not be started to ask for its devices. Install the program again; the log says more."
        ) from error


def _last_lines(error: Exception) -> str:
    said = getattr(error, "stderr", None)
    return said.decode("utf-8", "replace")[-4000:] if isinstance(said, bytes) else ""


def usable_hardware(hardware: Hardware, report: EngineReport) -> Hardware:
    """Return `hardware` with only those GPUs that the engine can use, and a note about each of the others."""
    known = {device.bus_id for device in report.devices if device.is_gpu}
    usable = tuple(gpu for gpu in hardware.gpus if gpu.bus_id in known)
    notes = tuple(
        f"{gpu.name} is not used: the engine was built without support for it, or its driver does not answer."
        for gpu in hardware.gpus
        if gpu.bus_id not in known
    )
    return replace(hardware, gpus=usable, notes=(*hardware.notes, *notes))


def _parse(raw: dict[str, Any]) -> EngineReport:
    devices = tuple(
        EngineDevice(str(one["name"]), str(one["description"]), str(one["bus_id"]), bool(one["is_gpu"]))
        for one in raw["devices"]
    )
    return EngineReport(
        version=str(raw["version"]),
        system=str(raw["system"]),
        backends=tuple(map(str, raw["backends"])),
        failures=tuple(map(str, raw["failures"])),
        devices=devices,
    )

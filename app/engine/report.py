"""Ask the engine what it is and which devices it can use, in a process that ends at once."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.core.errors import EngineUnavailable
from app.core.facts import Gpu, Hardware
from app.engine.process import child_environment, engine_command

log = logging.getLogger(__name__)

_TIMEOUT_S = 60.0
_ON_THE_CPU = "so models run on the CPU."  # how the driver's notes end that other GPUs make untrue


@dataclass(frozen=True, slots=True)
class EngineDevice:
    """Name a device of llama.cpp; `bus_id` is empty where it has none.

    `takes_f32_experts` is what its backend answered when asked (see `app.core.facts.Gpu`).
    """

    name: str
    description: str
    bus_id: str
    is_gpu: bool
    total_bytes: int = 0
    free_bytes: int = 0
    shares_ram: bool = False
    takes_f32_experts: bool | None = None

    @property
    def key(self) -> str:
        """Return what plans call the device: its bus id, or llama.cpp's name for it."""
        return self.bus_id or self.name.lower()


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
    """Return `hardware` with those GPUs that the engine can use, and a note about each of the others.

    GPUs that only the engine knows (AMD's and Intel's through Vulkan, remote ones) come after the driver's, with what
    the engine says of their memory.
    """
    known: dict[str, EngineDevice] = {}
    for device in report.devices:
        if device.is_gpu:
            known.setdefault(device.key, device)  # a card with two backends: the engine prefers the first
    asked = {gpu.bus_id for gpu in hardware.gpus}
    usable = tuple(
        replace(gpu, takes_f32_experts=known[gpu.bus_id].takes_f32_experts)
        for gpu in hardware.gpus
        if gpu.bus_id in known
    )
    only_here = [device for key, device in known.items() if key not in asked and device.total_bytes]
    others = tuple(_as_gpu(device) for device in only_here if not device.shares_ram)
    # What lies on such a one would be taken from RAM a second time, and be no faster there.
    shared = tuple(
        f"{device.description} shares the system’s memory and is not used." for device in only_here if device.shares_ram
    )
    unusable = tuple(
        f"{gpu.name} is not used: the engine was built without support for it, or its driver does not answer."
        for gpu in hardware.gpus
        if gpu.bus_id not in known
    )
    found = tuple(
        f"{gpu.name} was found by the engine itself; it has no temperature or load to show." for gpu in others
    )
    notes = tuple(note for note in hardware.notes if not (others and note.endswith(_ON_THE_CPU)))
    return replace(hardware, gpus=(*usable, *others), notes=(*notes, *unusable, *found, *shared))


def _as_gpu(device: EngineDevice) -> Gpu:
    return Gpu(
        name=device.description or device.name,
        bus_id=device.key,
        uuid="",
        total_bytes=device.total_bytes,
        free_bytes=min(device.free_bytes, device.total_bytes),
        drives_display=False,
        takes_f32_experts=device.takes_f32_experts,
    )


def _parse(raw: dict[str, Any]) -> EngineReport:
    devices = tuple(_parse_device(one) for one in raw["devices"])
    return EngineReport(
        version=str(raw["version"]),
        system=str(raw["system"]),
        backends=tuple(map(str, raw["backends"])),
        failures=tuple(map(str, raw["failures"])),
        devices=devices,
    )


def _parse_device(raw: dict[str, Any]) -> EngineDevice:
    name, takes = str(raw["name"]), raw.get("takes_f32_experts")
    return EngineDevice(
        name=name,
        description=str(raw["description"]),
        bus_id=str(raw["bus_id"]),
        is_gpu=bool(raw["is_gpu"]),
        total_bytes=max(0, int(raw.get("total_bytes", 0))),
        free_bytes=max(0, int(raw.get("free_bytes", 0))),
        shares_ram=bool(raw.get("shares_ram")),
        takes_f32_experts=takes if isinstance(takes, bool) else None,
    )

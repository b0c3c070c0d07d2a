"""What was measured on this machine and is worth knowing next time: its speed, and how far plans were off."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.core.facts import BufferUse, Hardware, ModelFacts, Plan
from app.core.files import write_atomically
from app.hardware.bandwidth import measure_ram_bandwidth
from app.hardware.wishes import Lesson

log = logging.getLogger(__name__)

WORTH_KEEPING = 0.03  # of a plan; less is noise
_MAX_EXTRA_BYTES = 8 << 30  # more than this is no correction but another cause
_SPEED_LIMITS = (0.1, 10.0)
_NEW_SPEED_WEIGHT = 0.5
_MAX_MODELS = 64
_SANE_RAM_BANDWIDTH = 5e12


class Notebook:
    """Keep measurements in the JSON file at `path`; what can't be read there is measured anew."""

    def __init__(self, path: Path, measure: Callable[[int], float] = measure_ram_bandwidth) -> None:
        self._path = path
        self._measure = measure

    def complete(self, hardware: Hardware) -> Hardware:
        """Return `hardware` with the bandwidth of its RAM, which is measured the first time (under a second)."""
        notes = self._read()
        key = f"{hardware.cpu_name} {hardware.ram_total_bytes >> 30} GiB"
        known = _number(notes.get("ram_bandwidth", {}), key)
        if not 0 < known < _SANE_RAM_BANDWIDTH:
            known = self._measure(hardware.cpu_cores)
            log.info("RAM moves %.1f GB/s", known / 1e9)
            if known > 0:
                self._write({**notes, "ram_bandwidth": {key: known}})
        return replace(hardware, ram_bandwidth=known)

    def lesson(self, model: ModelFacts, hardware: Hardware) -> Lesson:
        """Return what earlier loads of `model` on this machine showed."""
        return _lesson_of(self._entry(model, hardware))

    def lessons(self) -> list[tuple[str, Lesson]]:
        """Return the names of all models that taught something, with what it was."""
        models = self._read().get("models")
        entries = models.values() if isinstance(models, dict) else ()
        return [(str(entry.get("name", "?")), _lesson_of(entry)) for entry in entries if isinstance(entry, dict)]

    def learn_memory(self, model: ModelFacts, hardware: Hardware, plan: Plan, measured: Sequence[BufferUse]) -> None:
        """Keep by how much each device's real use differs from `plan`, where that is more than 3 %.

        `plan` may already hold corrections: what is kept is what all of them add up to.
        """
        known = dict(self.lesson(model, hardware).extra_bytes)
        planned = {device.bus_id: device.total_bytes for device in plan.devices} | {"CPU": plan.host.total_bytes}
        for use in measured:
            expected = planned.get(use.device, 0)
            if expected and abs(use.total_bytes - expected) > WORTH_KEEPING * expected:
                known[use.device] = known.get(use.device, 0) + use.total_bytes - expected
        if known != self.lesson(model, hardware).extra_bytes:
            self._keep(model, hardware, {"extra_bytes": known})

    def learn_speed(self, model: ModelFacts, hardware: Hardware, plan: Plan, tokens_per_second: float) -> None:
        """Keep what was reached of the speed that `plan` expected; later turns weigh as much as all before."""
        if plan.expected_tokens_per_second <= 0 or tokens_per_second <= 0:
            return
        before = self.lesson(model, hardware).speed_factor
        reached = before * tokens_per_second / plan.expected_tokens_per_second
        factor = math.exp((1 - _NEW_SPEED_WEIGHT) * math.log(before) + _NEW_SPEED_WEIGHT * math.log(reached))
        if abs(factor - before) > WORTH_KEEPING * before:
            self._keep(model, hardware, {"speed_factor": factor})

    # --- the file ---

    def _entry(self, model: ModelFacts, hardware: Hardware) -> dict[str, Any]:
        models = self._read().get("models")
        entry = models.get(_key(model, hardware)) if isinstance(models, dict) else None
        return entry if isinstance(entry, dict) else {}

    def _keep(self, model: ModelFacts, hardware: Hardware, values: Mapping[str, Any]) -> None:
        notes = self._read()
        models = notes.get("models")
        models = dict(models) if isinstance(models, dict) else {}
        key = _key(model, hardware)
        entry = models.pop(key, None)
        models[key] = {**(entry if isinstance(entry, dict) else {}), "name": model.name, **values}
        kept = dict(list(models.items())[-_MAX_MODELS:])
        self._write({**notes, "models": kept})

    def _read(self) -> dict[str, Any]:
        try:
            notes = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError):
            log.info("%s can't be read; what it says is measured anew", self._path, exc_info=True)
            return {}
        return notes if isinstance(notes, dict) else {}

    def _write(self, notes: Mapping[str, Any]) -> None:
        try:
            write_atomically(self._path, json.dumps(notes, indent=1).encode("ascii"))
        except OSError:
            # A measurement that can't be kept is made again; nothing of the person's is lost.
            log.info("%s can't be written", self._path, exc_info=True)


def _lesson_of(entry: Mapping[str, Any]) -> Lesson:
    extra = entry.get("extra_bytes")
    sizes = {str(device): _number(extra, device) for device in extra} if isinstance(extra, dict) else {}
    low, high = _SPEED_LIMITS
    factor = _number(entry, "speed_factor") or 1.0
    return Lesson(
        {device: int(min(max(size, -_MAX_EXTRA_BYTES), _MAX_EXTRA_BYTES)) for device, size in sizes.items()},
        min(max(factor, low), high),
    )


def _key(model: ModelFacts, hardware: Hardware) -> str:
    """Return a name for this model on this machine that says nothing about either."""
    cards = sorted(gpu.uuid or gpu.bus_id for gpu in hardware.gpus)
    identity = [
        model.arch,
        model.name,
        model.quantization,
        model.file_bytes,
        len(model.tensors),
        hardware.cpu_name,
        cards,
    ]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]


def _number(values: object, name: object) -> float:
    """Return the number `name` in `values`, 0 where there is no usable one."""
    value = values.get(name) if isinstance(values, dict) else None
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable and value is not None else 0.0

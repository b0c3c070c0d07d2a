"""What a load and its turns show of this machine, kept for the next plan."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.core.events import ModelPlanned
from app.core.facts import BufferUse, DevicePlan, Hardware
from app.hardware.machine import read_hardware
from app.hardware.notebook import Notebook
from app.hardware.shortage import explain_shortage

log = logging.getLogger(__name__)

_CPU = "CPU"
_SIGNIFICANT_TOKENS = 32  # a shorter answer says little about speed


class Learning:
    """Compare plans with what happened. Safe from any thread."""

    def __init__(self, notebook: Notebook, read: Callable[[], Hardware] = read_hardware) -> None:
        self.notebook = notebook
        self._read = read
        self._lock = threading.Lock()
        self._planned: ModelPlanned | None = None
        self._before: ModelPlanned | None = None  # what was planned before, and not loaded
        self._loaded: ModelPlanned | None = None
        self._held: Mapping[str, int] = {}

    def without_model(self, hardware: Hardware) -> Hardware:
        """Return `hardware` as it will be once the model that is loaded now has made way."""
        with self._lock:
            held = self._held
        gpus = tuple(
            replace(gpu, free_bytes=min(gpu.total_bytes, gpu.free_bytes + held.get(gpu.bus_id, 0)))
            for gpu in hardware.gpus
        )
        available = min(hardware.ram_total_bytes, hardware.ram_available_bytes + held.get(_CPU, 0))
        return replace(hardware, gpus=gpus, ram_available_bytes=available)

    def note_plan(self, planned: ModelPlanned) -> None:
        """Remember what a load is about to be compared with."""
        with self._lock:
            self._planned, self._before = planned, self._planned

    def note_load(self, buffers: Sequence[BufferUse]) -> tuple[BufferUse, ...]:
        """Return what the devices really hold of the model just loaded, and keep what differs from its plan."""
        with self._lock:
            opening = self._planned
        if opening is None or opening.facts is None or opening.hardware is None:
            return tuple(buffers)
        held = _taken(opening.hardware, self._read())
        with self._lock:
            self._loaded, self._held, self._before = opening, held, None
        found = {use.device: use for use in buffers}
        cards = tuple(_real_use(device, found.get(device.bus_id), held) for device in opening.plan.devices)
        for device, use in zip(opening.plan.devices, cards, strict=True):
            log.info("%s: planned %d MiB, holds %d MiB", device.name, device.total_bytes >> 20, use.total_bytes >> 20)
        self.notebook.learn_memory(opening.facts, opening.hardware, opening.plan, cards)
        return (*cards, *(use for use in buffers if use.device == _CPU))

    def explain_shortage(self) -> str:
        """Return why memory may have run out for the plan that failed; empty where nothing is known.

        A smaller plan may have been made since.
        """
        with self._lock:
            planned = self._before or self._planned
        return explain_shortage(planned.plan, self._read(), frozenset({os.getpid()})) if planned is not None else ""

    def note_turn(self, tokens_per_second: float, tokens: int) -> None:
        """Keep how fast an answer of so many `tokens` was written."""
        with self._lock:
            loaded = self._loaded
        if loaded is None or loaded.facts is None or loaded.hardware is None or tokens < _SIGNIFICANT_TOKENS:
            return
        self.notebook.learn_speed(loaded.facts, loaded.hardware, loaded.plan, tokens_per_second)

    def forget_model(self) -> None:
        """Take notice that no model is loaded any more."""
        with self._lock:
            self._loaded, self._held = None, {}


def _taken(before: Hardware, after: Hardware) -> dict[str, int]:
    """Return what has become less on each device."""
    free = {gpu.bus_id: gpu.free_bytes for gpu in after.gpus}
    taken = {gpu.bus_id: gpu.free_bytes - free.get(gpu.bus_id, gpu.free_bytes) for gpu in before.gpus}
    taken[_CPU] = before.ram_available_bytes - after.ram_available_bytes
    return {device: max(0, size) for device, size in taken.items()}


def _real_use(device: DevicePlan, buffers: BufferUse | None, held: Mapping[str, int]) -> BufferUse:
    """Return what a card really gave away: by the driver, or where it does not say by llama.cpp's own account."""
    weights, cache = (buffers.weights_bytes, buffers.kv_bytes) if buffers else (device.weights_bytes, device.kv_bytes)
    if taken := held.get(device.bus_id, 0):
        return BufferUse(device.bus_id, weights, cache, max(0, taken - weights - cache))
    rest = device.compute_bytes + device.projector_bytes
    return BufferUse(device.bus_id, weights, cache, rest)

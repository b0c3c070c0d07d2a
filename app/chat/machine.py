"""This machine as far as the engine can use it."""

from __future__ import annotations

import threading
from pathlib import Path

from app.core.built_in import is_built_in
from app.core.errors import EngineUnavailable
from app.core.facts import Hardware
from app.engine.report import EngineReport, read_report, usable_hardware
from app.hardware.machine import read_hardware


class Machine:
    """Look at the hardware; which GPUs the engine can use is asked once. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._report: EngineReport | None = None

    def look_for(self, model: Path) -> Hardware:
        """Return what `model` may use; the built-in one needs no card, and is spared the wait for the engine's report.

        Raises EngineUnavailable.
        """
        return read_hardware() if is_built_in(model) else self.look()

    def look(self) -> Hardware:
        """Return what is here and free now. Raises EngineUnavailable."""
        hardware = read_hardware()
        with self._lock:
            if self._report is None or self._is_engine_alone_with_a_gpu(hardware):
                self._report = self._ask(hardware)
            return usable_hardware(hardware, self._report) if self._report else hardware

    def _is_engine_alone_with_a_gpu(self, hardware: Hardware) -> bool:
        """Say whether what is free on some GPU is known from the engine only, and so must be asked again."""
        known = {gpu.bus_id for gpu in hardware.gpus}
        devices = self._report.devices if self._report else ()
        return any(device.is_gpu and device.key not in known for device in devices)

    def _ask(self, hardware: Hardware) -> EngineReport | None:
        try:
            return read_report()
        except EngineUnavailable:
            if hardware.gpus:
                raise
            return None  # without GPUs there is nothing to join; loading will say what is wrong

"""This machine as far as the engine can use it."""

from __future__ import annotations

import threading

from app.core.facts import Hardware
from app.engine.report import EngineReport, read_report, usable_hardware
from app.hardware.machine import read_hardware


class Machine:
    """Look at the hardware; which GPUs the engine can use is asked once. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._report: EngineReport | None = None

    def look(self) -> Hardware:
        """Return what is here and free now. Raises EngineUnavailable."""
        hardware = read_hardware()
        if not hardware.gpus:
            return hardware
        with self._lock:
            if self._report is None:
                self._report = read_report()
            return usable_hardware(hardware, self._report)

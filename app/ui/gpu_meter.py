"""Look at the GPUs every few seconds while someone watches, on a thread of its own: a driver may take its time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.core.facts import Gpu
from app.hardware.gpus import read_gpus

INTERVAL_S = 2.0

Gpus = tuple[Gpu, ...]


class GpuMeter(QObject):
    """Emit `measured` with the GPUs as they are now, between `start` and `stop`."""

    measured = Signal(object)

    def __init__(
        self, read: Callable[[], tuple[Gpus, tuple[str, ...]]] = read_gpus, interval_s: float = INTERVAL_S
    ) -> None:
        super().__init__()
        self._read = read
        self._interval_s = interval_s
        self._ended: threading.Event | None = None

    def start(self) -> None:
        """Measure from now on; does nothing while it does so already."""
        if self._ended is None:
            self._ended = threading.Event()
            threading.Thread(target=self._run, args=(self._ended,), name="gpu-meter", daemon=True).start()

    def stop(self) -> None:
        """Measure no more."""
        if self._ended is not None:
            self._ended.set()
            self._ended = None

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(self._interval_s):
            gpus, _ = self._read()
            if not gpus or ended.is_set():
                return  # a machine without GPUs needs no second look
            try:
                self.measured.emit(gpus)
            except RuntimeError:  # the window has gone in the meantime
                return

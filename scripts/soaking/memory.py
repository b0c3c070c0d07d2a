"""The memory of some processes over time, and whether it is flat."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

SAMPLES = 240
ROWS = 20
WARM_UP = 0.25  # of the time
TOLERANCE = 0.05
PATIENCE_S = 300  # until the first answer
_MIB = 1 << 20
_NAMES = ("window", "engine")


def read_pss(pid: int) -> int:
    """Return the bytes of RAM that a process takes, its share of what it shares; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def growth(samples: Sequence[int]) -> float:
    """Return by which part the last quarter of `samples` lies above the first after the warm-up.

    Means, because memory goes up and down with every picture.
    """
    steady = samples[int(len(samples) * WARM_UP) :]
    quarter = max(len(steady) // 4, 1)
    if len(steady) < 2:
        return 0.0
    first, last = statistics.fmean(steady[:quarter]), statistics.fmean(steady[-quarter:])
    return last / first - 1 if first else 0.0


class Ledger(QObject):
    """Note the memory of the processes that `pids` names, for `seconds`; `count` says how many turns there were."""

    finished = Signal()

    def __init__(self, seconds: float, pids: Callable[[], list[int]], count: Callable[[], int]) -> None:
        super().__init__()
        self._pids = pids
        self._count = count
        self._seconds = seconds
        self._started = self._begun = 0.0
        self._samples: list[tuple[int, ...]] = []
        self._timer = QTimer(self, interval=max(int(seconds * 1000 / SAMPLES), 200))
        self._timer.timeout.connect(self._note)

    def start(self) -> None:
        """Begin."""
        self._started = self._begun = time.monotonic()
        print(f"{'minute':>8} {'turns':>7} {'window':>10} {'engine':>10}")
        self._timer.start()

    def is_flat(self) -> bool:
        """Print by how much each process grew, and return whether that is little enough."""
        columns = list(zip(*(sample for sample in self._samples if len(sample) == len(_NAMES)), strict=True))
        rates = [growth(column) for column in columns]
        for name, rate in zip(_NAMES, rates, strict=False):
            print(f"{name}: {rate:+.1%} after the warm-up")
        return len(rates) == len(_NAMES) and all(rate <= TOLERANCE for rate in rates)

    def _note(self) -> None:
        if not self._count() and time.monotonic() - self._started < PATIENCE_S:
            self._begun = time.monotonic()  # the clock starts when the model answers
            return
        elapsed = time.monotonic() - self._begun
        sample = tuple(filter(None, map(read_pss, self._pids())))
        self._samples.append(sample)
        if len(self._samples) % max(SAMPLES // ROWS, 1) == 0:
            sizes = " ".join(f"{size / _MIB:6.1f} MiB" for size in sample)
            print(f"{elapsed / 60:8.1f} {self._count():7} {sizes}", flush=True)
        if elapsed >= self._seconds:
            self._timer.stop()
            self.finished.emit()

"""What NVML says of one GPU beyond its memory: speed, temperature, load, and who uses it. All of it optional."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pynvml

from app.core.facts import GpuProcess

log = logging.getLogger(__name__)

MAX_PROCESSES = 32
_TRANSFERS_PER_CLOCK = 2  # of every memory that GPUs have: GDDR and HBM move data on both edges
_MHZ = 1e6
_SANE_BANDWIDTH = 2e13  # bytes per second; more than this is a driver's nonsense
# By version: the binding's plain names raise something that is no NVMLError where the driver is older.
_PROCESS_LISTS = (
    (pynvml.nvmlDeviceGetComputeRunningProcesses_v3, pynvml.nvmlDeviceGetComputeRunningProcesses_v2),
    (pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3, pynvml.nvmlDeviceGetGraphicsRunningProcesses_v2),
)


def answer_or(ask: Callable[[], Any], default: Any) -> Any:
    """Return the answer of `ask`, or `default` where the driver or the card has none."""
    try:
        return ask()
    except pynvml.NVMLError as error:
        log.debug("NVML has no answer: %s", error)
        return default


def read_bandwidth(handle: Any) -> float:
    """Return the memory's bandwidth in bytes per second as its clock and width give it, 0 where unknown."""
    clock_mhz = answer_or(lambda: int(pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_MEM)), 0)
    width_bits = answer_or(lambda: int(pynvml.nvmlDeviceGetMemoryBusWidth(handle)), 0)
    bandwidth = clock_mhz * _MHZ * _TRANSFERS_PER_CLOCK * width_bits / 8
    return bandwidth if bandwidth < _SANE_BANDWIDTH else 0.0


def read_temperature(handle: Any) -> int | None:
    """Return the GPU's temperature in degrees Celsius, None where it has no sensor."""
    degrees: int | None = answer_or(partial(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU), None)
    return degrees


def read_load(handle: Any) -> int | None:
    """Return how busy the GPU was a moment ago in percent, None where it does not say."""
    percent: int | None = answer_or(lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu), None)
    return percent


def read_processes(handle: Any) -> tuple[GpuProcess, ...]:
    """Return the processes that hold memory on the GPU, the largest first."""
    found: dict[int, GpuProcess] = {}
    for ask, ask_old_driver in _PROCESS_LISTS:
        entries = answer_or(partial(ask, handle), None)
        if entries is None:
            entries = answer_or(partial(ask_old_driver, handle), [])
        for entry in entries[:MAX_PROCESSES]:
            pid, used_bytes = int(entry.pid), int(entry.usedGpuMemory or 0)  # None on Windows
            if pid not in found or found[pid].used_bytes < used_bytes:
                found[pid] = GpuProcess(pid, _process_name(pid), used_bytes)
    return tuple(sorted(found.values(), key=lambda process: (-process.used_bytes, process.pid)))


def _process_name(pid: int) -> str:
    """Return the file name of the program that runs as `pid`; empty where it has ended or is hidden."""
    raw = answer_or(lambda: pynvml.nvmlSystemGetProcessName(pid), "")
    text = as_text(raw).split(" --", 1)[0]
    return text.replace("\\", "/").rstrip("/").rpartition("/")[2].strip()


def as_text(raw: str | bytes) -> str:
    """Return what NVML wrote as text."""
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw

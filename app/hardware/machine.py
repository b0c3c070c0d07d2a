"""Describe the machine the program runs on."""

from __future__ import annotations

from app.core.cpu import count_cores, read_cpu_name
from app.core.facts import Hardware
from app.hardware.gpus import read_gpus
from app.hardware.memory import read_memory


def read_hardware() -> Hardware:
    """Return what this machine has and what is free now. Never raises; what is missing is in `notes`."""
    gpus, notes = read_gpus()
    memory = read_memory()
    return Hardware(
        gpus=gpus,
        ram_total_bytes=memory.total_bytes,
        ram_available_bytes=memory.available_bytes,
        cpu_name=read_cpu_name(),
        cpu_cores=count_cores(),
        notes=notes,
    )

"""Say why memory ran out although there was a plan: what was planned, what is free now, and who holds the rest."""

from __future__ import annotations

from app.core.facts import DevicePlan, Gpu, Hardware, Plan

_GIB = 1 << 30
_TIGHT_BYTES = 256 << 20  # free beyond a plan; less is used up by what no plan knows


def explain_shortage(plan: Plan, now: Hardware, own_pids: frozenset[int] = frozenset()) -> str:
    """Return sentences about every device that has less free `now` than `plan` needs; empty where none has.

    Processes in `own_pids` are this program's and not to blame.
    """
    gpus = {gpu.bus_id: gpu for gpu in now.gpus}
    sentences = [_missing(device) for device in plan.devices if device.bus_id not in gpus]
    for device in plan.devices:
        gpu = gpus.get(device.bus_id)
        if gpu is not None and gpu.free_bytes < device.total_bytes + _TIGHT_BYTES:
            sentences.append(_short_card(device, gpu, own_pids))
    if now.ram_available_bytes < plan.host.total_bytes:
        needed, free = _gib(plan.host.total_bytes), _gib(now.ram_available_bytes)
        sentences.append(f"The model needs {needed} of RAM, and {free} are available.")
    return " ".join(sentences)


def _missing(device: DevicePlan) -> str:
    return f"{device.name} does not answer any more."


def _short_card(device: DevicePlan, gpu: Gpu, own_pids: frozenset[int]) -> str:
    others = [process for process in gpu.processes if process.pid not in own_pids and process.name]
    listed = " and ".join(
        f"{process.name} holds {_gib(process.used_bytes)}" if process.used_bytes else f"{process.name} uses it too"
        for process in others[:2]
    )
    numbers = f"{_gib(device.total_bytes)} were planned on {device.name}, and {_gib(gpu.free_bytes)} are free"
    return f"{numbers}; {listed}." if listed else f"{numbers}."


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"

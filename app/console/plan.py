"""`solo plan`: where a model would go, on this machine or on a described one, without loading it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from app.chat.machine import Machine
from app.core.facts import DevicePlan, Gpu, Hardware, ModelFacts, Plan
from app.hardware.notebook import Notebook
from app.hardware.planner import plan_placement
from app.hardware.wishes import DEFAULT_RESERVE_BYTES, Lesson, Wishes
from app.models.gguf import read_model, read_projector

_MIB = 1 << 20
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """Hold what `solo plan` was asked on the command line; without `gpus_mib` this machine is meant.

    One reserve goes for all cards, several go for one card each, in order.
    """

    model: Path
    projector: Path | None
    gpus_mib: tuple[int, ...]
    reserves_mib: tuple[int, ...]
    ram_mib: int | None
    context_tokens: int


def print_plan(question: PlanQuestion, notebook: Notebook, out: TextIO, *, as_json: bool) -> None:
    """Write the plan to `out`. Raises ModelError, EngineUnavailable."""
    model = read_model(question.model)
    projector = read_projector(question.projector) if question.projector is not None else None
    hardware, lesson = _hardware(question, model, notebook)
    plan = plan_placement(model, projector, hardware, _wishes(question, hardware), lesson)
    if as_json:
        print(json.dumps(plan_as_json(plan)), file=out, flush=True)
        return
    for line in (f"{model.name}, {model.quantization}", *_lines(plan), *hardware.notes):
        print(line, file=out)


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Return `plan` in the form that other programs read."""
    return {
        "fits": plan.fits,
        "context_tokens": plan.context_tokens,
        "n_gpu_layers": plan.n_gpu_layers,
        "tensor_split": list(plan.tensor_split),
        "overrides": [{"pattern": rule.pattern, "buffer": rule.buffer} for rule in plan.overrides],
        "devices": [_device_as_json(device) for device in plan.devices],
        "host": {"weights_bytes": plan.host.weights_bytes, "total_bytes": plan.host.total_bytes},
        "expected_tokens_per_second": plan.expected_tokens_per_second,
        "reasons": list(plan.reasons),
    }


def _device_as_json(device: DevicePlan) -> dict[str, Any]:
    return {
        "name": device.name,
        "budget_bytes": device.budget_bytes,
        "weights_bytes": device.weights_bytes,
        "kv_bytes": device.kv_bytes,
        "compute_bytes": device.compute_bytes,
        "projector_bytes": device.projector_bytes,
        "total_bytes": device.total_bytes,
    }


def _hardware(question: PlanQuestion, model: ModelFacts, notebook: Notebook) -> tuple[Hardware, Lesson]:
    if question.gpus_mib:
        return describe_hardware(question.gpus_mib, question.ram_mib or 0), Lesson()
    hardware = notebook.complete(Machine().look())
    if question.ram_mib is not None:
        hardware = _with_ram(hardware, question.ram_mib)
    return hardware, notebook.lesson(model, hardware)


def describe_hardware(gpus_mib: Sequence[int], ram_mib: int) -> Hardware:
    """Return a machine with cards of `gpus_mib` and `ram_mib` of RAM, all of it free."""
    gpus = tuple(
        Gpu(
            f"GPU of {size:,} MiB",
            f"00000000:{number:02x}:00.0",
            f"described-{number}",
            size * _MIB,
            size * _MIB,
            False,
        )
        for number, size in enumerate(gpus_mib, start=1)
    )
    return Hardware(gpus, ram_mib * _MIB, ram_mib * _MIB, "", 0)


def _with_ram(hardware: Hardware, ram_mib: int) -> Hardware:
    return Hardware(
        hardware.gpus,
        ram_mib * _MIB,
        ram_mib * _MIB,
        hardware.cpu_name,
        hardware.cpu_cores,
        hardware.notes,
        hardware.ram_bandwidth,
    )


def _wishes(question: PlanQuestion, hardware: Hardware) -> Wishes:
    given = question.reserves_mib
    usual = given[0] * _MIB if len(given) == 1 else DEFAULT_RESERVE_BYTES
    sizes = given * len(hardware.gpus) if len(given) == 1 else given
    reserves = {gpu.bus_id: size * _MIB for gpu, size in zip(hardware.gpus, sizes, strict=False)}
    return Wishes(context_tokens=question.context_tokens, reserve_bytes=usual, reserves=reserves)


def _lines(plan: Plan) -> Iterator[str]:
    yield "It fits." if plan.fits else "It does not fit."
    yield f"Context: {plan.context_tokens:,} tokens"
    yield f"Expected: about {plan.expected_tokens_per_second:.1f} tokens per second"
    for device, layers in zip(plan.devices, plan.tensor_split, strict=True):
        yield f"{device.name}: {layers} layers, {_parts(device)}; {_gib(device.budget_bytes)} may be used"
    yield f"RAM: {_gib(plan.host.total_bytes)}, {_gib(plan.host.weights_bytes)} of it weights"
    for rule in plan.overrides:
        yield f"Tensors {rule.pattern} go to {rule.buffer}"
    yield from plan.reasons


def _parts(device: DevicePlan) -> str:
    parts = {
        "weights": device.weights_bytes,
        "conversation": device.kv_bytes,
        "working memory": device.compute_bytes,
        "vision": device.projector_bytes,
    }
    return " + ".join(f"{_gib(size)} {name}" for name, size in parts.items() if size)


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"

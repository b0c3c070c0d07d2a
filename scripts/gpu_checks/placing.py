"""Plans carried out on real cards: where the bytes go, what the driver says of it, and how fast it decodes."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp as llama

from app.core.cpu import count_cores
from app.core.facts import BufferUse, Hardware, Plan
from app.engine.child import ggml
from app.engine.child.breakdown import read_buffers
from app.engine.child.devices import list_devices
from app.engine.child.placement import context_parameters, model_parameters
from app.engine.report import read_report, usable_hardware
from app.hardware.bandwidth import measure_ram_bandwidth
from app.hardware.gpus import read_gpus
from app.hardware.machine import read_hardware
from app.hardware.planner import plan_placement
from app.hardware.wishes import Wishes
from app.models.gguf import read_model
from scripts.gpu_checks.files import make_large, make_small

MIB, GIB = 1 << 20, 1 << 30
CONTEXT_TOKENS = 32768
_WARM_UP, _MEASURED = 8, 64  # tokens
_FIT_MARGIN_BYTES = GIB
_FIT_OVERRIDES = 4096


@dataclass(frozen=True)
class Run:
    """Hold what one load showed; `tokens` are the greedy ones."""

    buffers: tuple[BufferUse, ...]
    tokens_per_second: float
    tokens: tuple[int, ...]
    taken: dict[str, int]


def show_devices() -> int:
    """Say what the driver and the engine know of the cards, and whether both mean the same ones."""
    hardware, report = read_hardware(), read_report()
    usable = usable_hardware(hardware, report)
    print("| card | bus id | free | bandwidth | takes F32-marked experts |\n|---|---|---|---|---|")
    for gpu in usable.gpus:
        print(
            f"| {gpu.name} | {gpu.bus_id} | {gpu.free_bytes / GIB:.1f} GiB | {gpu.bandwidth / 1e9:,.0f} GB/s "
            f"| {gpu.takes_f32_experts} |"
        )
    for note in usable.notes:
        print(f"\n{note}")
    print(f"\nEngine: {', '.join(f'{device.name} at {device.bus_id}' for device in report.devices)}")
    return 0 if usable.gpus else 1


def compare_small(folder: Path) -> int:
    """Load a small model on the CPU and on the cards; their greedy tokens must be the same."""
    path = make_small(folder)
    model, hardware = read_model(path), _hardware()
    wishes = Wishes(context_tokens=4096)
    on_cpu = _run(path, plan_placement(model, None, replace(hardware, gpus=()), wishes), hardware)
    on_cards = _run(path, plan_placement(model, None, hardware, wishes), hardware)
    same = on_cpu.tokens == on_cards.tokens
    print(f"Greedy tokens: {'the same' if same else 'DIFFERENT'} ({len(on_cpu.tokens)} compared)")
    return 0 if same else 1


def load_large(folder: Path, *, down_in_vram: bool) -> int:
    """Load the full-size model as planned; say plan and driver side by side, and the speed."""
    path, hardware = make_large(folder), _hardware()
    wishes = Wishes(context_tokens=CONTEXT_TOKENS, down_experts_in_vram=down_in_vram)
    plan = plan_placement(read_model(path), None, hardware, wishes)
    print(f"Down experts in {'VRAM' if down_in_vram else 'RAM'}; split {plan.tensor_split}; fits: {plan.fits}\n")
    run = _run(path, plan, hardware)
    print("| device | planned | llama.cpp's buffers | NVML | difference |\n|---|---|---|---|---|")
    found = {use.device: use.total_bytes for use in run.buffers}
    worst = 0.0
    for device in plan.devices:
        taken = run.taken.get(device.bus_id, 0)
        off = (taken - device.total_bytes) / device.total_bytes
        worst = max(worst, off)
        sizes = (device.total_bytes, found.get(device.bus_id, 0), taken)
        print(f"| {device.name} | {' | '.join(f'{size / MIB:,.0f} MiB' for size in sizes)} | {off:+.1%} |")
    print(f"\nExpected {plan.expected_tokens_per_second:.1f}, measured {run.tokens_per_second:.1f} tokens/s")
    return 0 if worst <= 0.03 else 1


def load_as_fit_wants(folder: Path) -> int:
    """Load the full-size model as llama.cpp's own `--fit` places it, with the same context and reserve."""
    path, hardware = make_large(folder), _hardware()
    fit = ctypes.CDLL(str(ggml.LIBRARIES / "libllama-common.so"), mode=ctypes.RTLD_GLOBAL)
    function = getattr(fit, _fit_symbol())
    bare = replace(plan_placement(read_model(path), None, hardware, Wishes(context_tokens=CONTEXT_TOKENS)), devices=())
    context = context_parameters(bare, 0, count_cores())
    parameters = llama.llama_model_default_params()
    split = (ctypes.c_float * llama.llama_max_devices())()
    overrides = (ggml.BufferOverride * _FIT_OVERRIDES)()
    margins = (ctypes.c_size_t * llama.llama_max_devices())(*[_FIT_MARGIN_BYTES] * llama.llama_max_devices())
    status = function(
        os.fsencode(path),
        ctypes.byref(parameters),
        ctypes.byref(context),
        split,
        overrides,
        margins,
        ctypes.c_uint32(CONTEXT_TOKENS),
        None,
        ctypes.c_int(4),
    )
    print(
        f"--fit: status {status}, {parameters.n_gpu_layers} layers, split {[round(part, 1) for part in split if part]}"
    )
    run = _measure(path, parameters, context, hardware)
    for use in run.buffers:
        print(f"- {use.device}: {use.total_bytes / MIB:,.0f} MiB")
    print(f"\nMeasured {run.tokens_per_second:.1f} tokens/s")
    return int(status)


def _fit_symbol() -> str:
    return (
        "_Z17common_fit_paramsPKcP18llama_model_paramsP20llama_context_paramsPfP32llama_model_tensor_buft_override"
        "PmjPK22common_fit_extra_model14ggml_log_level"
    )


def _hardware() -> Hardware:
    """Return this machine; one card that plays two is described as two halves."""
    hardware = usable_hardware(read_hardware(), read_report())
    gpus = hardware.gpus
    if len(gpus) == 1 and os.environ.get("GGML_CUDA_DEVICES") == "2":
        halved = replace(gpus[0], free_bytes=gpus[0].free_bytes // 2)
        names = [device.name.lower() for device in list_devices() if device.is_gpu]
        gpus = tuple(replace(halved, bus_id=name) for name in names[:2])
    return replace(hardware, gpus=gpus, ram_bandwidth=measure_ram_bandwidth(hardware.cpu_cores))


def _run(path: Path, plan: Plan, hardware: Hardware) -> Run:
    parameters = model_parameters(plan, {}, lambda _fraction: True)
    return _measure(path, parameters.struct, context_parameters(plan, 0, count_cores()), hardware)


def _measure(path: Path, parameters: Any, context_settings: Any, hardware: Hardware) -> Run:
    """Load, decode greedily, and take everything down again. Raises RuntimeError."""
    model = llama.llama_model_load_from_file(os.fsencode(path), parameters)
    if not model:
        raise RuntimeError(f"llama.cpp did not load {path}")
    context = llama.llama_init_from_model(model, context_settings)
    if not context:
        raise RuntimeError(f"llama.cpp made no context for {path}")
    try:
        tokens = _decode(context, [1], _WARM_UP)
        started = time.monotonic()
        tokens += _decode(context, tokens[-1:], _MEASURED)
        speed = _MEASURED / (time.monotonic() - started)
        return Run(read_buffers(context), speed, tuple(tokens), _taken(hardware))
    finally:
        llama.llama_free(context)
        llama.llama_model_free(model)


def _decode(context: int, start: Sequence[int], count: int) -> list[int]:
    sampler = llama.llama_sampler_init_greedy()
    tokens: list[int] = list(start)
    try:
        for _ in range(count):
            last = (llama.llama_token * 1)(tokens[-1])
            if llama.llama_decode(context, llama.llama_batch_get_one(last, 1)) != 0:
                raise RuntimeError("llama.cpp could not decode")
            tokens.append(llama.llama_sampler_sample(sampler, context, -1))
        return tokens[len(start) :]
    finally:
        llama.llama_sampler_free(sampler)


def _taken(before: Hardware) -> dict[str, int]:
    """Return what each card has less than `before`; halves of one card share its loss evenly."""
    gpus, _ = read_gpus()
    free = {gpu.bus_id: gpu.free_bytes for gpu in gpus}
    if len(gpus) == 1 and len(before.gpus) == 2:
        lost = 2 * before.gpus[0].free_bytes - gpus[0].free_bytes
        return {gpu.bus_id: lost // 2 for gpu in before.gpus}
    return {gpu.bus_id: gpu.free_bytes - free.get(gpu.bus_id, gpu.free_bytes) for gpu in before.gpus}

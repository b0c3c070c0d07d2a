"""The steps a plan goes down when memory ran out, from the cheapest to the dearest. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from app.core.facts import DevicePlan, HostPlan, ModelFacts, Plan, ProjectorFacts, TensorOverride, TensorRole

SMALL_BATCH_TOKENS = 128
SHORTEST_CONTEXT = 2048
EXPERT_STEPS = 4
_EXPERTS_PER_STEP = 0.25  # of what lies on each card
_Q8_SHARE = 34 / 64  # of an f16 cache: blocks of 32 bytes and a scale
_GIB = 1 << 30
_EXPERT_ROLES = {TensorRole.GATE_UP_EXPERTS, TensorRole.DOWN_EXPERTS}
_TAKES_PICTURES_IN_PIECES = {"pixtral"}  # other projectors' pictures must be read as one


class Rung(StrEnum):
    """Name a step; they are tried in this order."""

    BATCH = "batch"
    PROJECTOR = "projector"
    EXPERTS = "experts"
    CACHE = "cache"
    CONTEXT = "context"


_OF_GPUS = {Rung.PROJECTOR, Rung.EXPERTS}  # they move things to RAM, which does not help when RAM ran out


@dataclass(frozen=True, slots=True)
class Step:
    """Hold one step down: the smaller plan, and a phrase that says what it gives up."""

    rung: Rung
    plan: Plan
    phrase: str


def next_step(
    plan: Plan,
    model: ModelFacts,
    projector: ProjectorFacts | None,
    taken: Sequence[Rung],
    *,
    on_gpu: bool,
    without: Sequence[Rung] = (),
) -> Step | None:
    """Return the next step down from `plan`, None at the bottom.

    `taken` are the steps that led to it, `on_gpu` is whether a graphics card's memory ran out; `without` are
    steps that this model does not bear.
    """
    for rung in Rung:
        if rung in without or (rung in _OF_GPUS and not on_gpu):
            continue
        if rung is Rung.EXPERTS and taken.count(rung) >= EXPERT_STEPS:
            continue
        if step := take_step(rung, plan, model, projector):
            return step
    return None


def take_step(rung: Rung, plan: Plan, model: ModelFacts, projector: ProjectorFacts | None) -> Step | None:
    """Return the step `rung` down from `plan`, None where it gives nothing up."""
    match rung:
        case Rung.BATCH:
            return _smaller_batch(plan, projector)
        case Rung.PROJECTOR:
            return _projector_to_cpu(plan)
        case Rung.EXPERTS:
            return _less_on_cards(plan, model)
        case Rung.CACHE:
            return _smaller_cache(plan)
        case Rung.CONTEXT:
            return shorten(plan, max(SHORTEST_CONTEXT, plan.context_tokens // 2))


def shorten(plan: Plan, context_tokens: int) -> Step | None:
    """Return the step to a context of `context_tokens`, None where the plan's is no longer."""
    if context_tokens >= plan.context_tokens:
        return None
    share = context_tokens / plan.context_tokens
    shorter = replace(_with_cache(plan, share), context_tokens=context_tokens)
    return Step(Rung.CONTEXT, shorter, f"a context of {context_tokens:,} tokens instead of {plan.context_tokens:,}")


def _smaller_batch(plan: Plan, projector: ProjectorFacts | None) -> Step | None:
    if plan.batch_tokens <= SMALL_BATCH_TOKENS:
        return None
    if projector is not None and projector.projector_type not in _TAKES_PICTURES_IN_PIECES:
        return None
    smaller = replace(plan, batch_tokens=SMALL_BATCH_TOKENS)
    return Step(Rung.BATCH, smaller, f"prompts read in pieces of {SMALL_BATCH_TOKENS} tokens, which is slower")


def _projector_to_cpu(plan: Plan) -> Step | None:
    if plan.projector_device is None:
        return None
    moved = sum(device.projector_bytes for device in plan.devices)
    devices = tuple(replace(device, projector_bytes=0) for device in plan.devices)
    host = HostPlan(plan.host.weights_bytes, plan.host.total_bytes + moved)
    smaller = replace(plan, projector_device=None, devices=devices, host=host)
    return Step(Rung.PROJECTOR, smaller, "the projector on the CPU, where pictures take longer")


def _smaller_cache(plan: Plan) -> Step | None:
    if plan.kv_type != "f16":
        return None
    smaller = replace(_with_cache(plan, _Q8_SHARE), kv_type="q8_0")
    return Step(Rung.CACHE, smaller, "the conversation kept in 8 bits, which is less exact")


def _with_cache(plan: Plan, share: float) -> Plan:
    devices = tuple(replace(device, kv_bytes=math.ceil(device.kv_bytes * share)) for device in plan.devices)
    return replace(plan, devices=devices)


# --- what lies on the graphics cards -------------------------------------------------------------


def _less_on_cards(plan: Plan, model: ModelFacts) -> Step | None:
    experts = [_experts_by_layer(plan, model, slots) for slots in _slots_by_card(plan, model)]
    return _move_experts(plan, experts) if any(experts) else _move_layers(plan)


def _slots_by_card(plan: Plan, model: ModelFacts) -> list[range]:
    """Return which slots each card holds; the output counts as one more layer, and the last ones are on cards."""
    start = model.n_layers + 1 - sum(plan.tensor_split)
    ranges = []
    for count in plan.tensor_split:
        ranges.append(range(start, start + count))
        start += count
    return ranges


def _experts_by_layer(plan: Plan, model: ModelFacts, slots: range) -> dict[int, int]:
    """Return the bytes of experts on a card, by layer."""
    kept = [re.compile(override.pattern) for override in plan.overrides]
    found: dict[int, int] = {}
    for tensor in model.tensors:
        layer = tensor.layer
        if layer is None or layer not in slots or tensor.role not in _EXPERT_ROLES:
            continue
        if not any(pattern.search(tensor.name) for pattern in kept):
            found[layer] = found.get(layer, 0) + tensor.n_bytes
    return found


def _move_experts(plan: Plan, experts: Sequence[Mapping[int, int]]) -> Step:
    moved = [_last_part(by_layer) for by_layer in experts]
    layers = sorted(layer for by_layer in moved for layer in by_layer)
    override = TensorOverride(rf"blk\.({'|'.join(map(str, layers))})\.ffn_(gate_up|gate|up|down)_exps", "CPU")
    sizes = [sum(by_layer.values()) for by_layer in moved]
    smaller = replace(_with_weights_moved(plan, lambda index: sizes[index]), overrides=(override, *plan.overrides))
    phrase = f"{sum(sizes) / _GIB:.1f} GiB more of experts in RAM, which makes answers slower"
    return Step(Rung.EXPERTS, smaller, phrase)


def _last_part(by_layer: Mapping[int, int]) -> dict[int, int]:
    """Return a card's last layers that hold a part of its experts, one layer at least."""
    wanted = sum(by_layer.values()) * _EXPERTS_PER_STEP
    part: dict[int, int] = {}
    for layer in sorted(by_layer, reverse=True):
        if sum(part.values()) >= wanted:
            break
        part[layer] = by_layer[layer]
    return part


def _move_layers(plan: Plan) -> Step | None:
    """Take a part of each card's layers back to the CPU, for models without experts."""
    counts = [count - math.ceil(count * _EXPERTS_PER_STEP) for count in plan.tensor_split]
    moved = sum(plan.tensor_split) - sum(counts)
    if not moved:
        return None
    per_slot = [
        device.weights_bytes // max(count, 1) for device, count in zip(plan.devices, plan.tensor_split, strict=True)
    ]
    lost = [each * (old - new) for each, old, new in zip(per_slot, plan.tensor_split, counts, strict=True)]
    kept = _with_weights_moved(plan, lambda index: lost[index])
    smaller = _without_empty_cards(replace(kept, tensor_split=tuple(counts), n_gpu_layers=sum(counts)))
    return Step(Rung.EXPERTS, smaller, f"{moved} more layers on the CPU, which makes answers slower")


def _without_empty_cards(plan: Plan) -> Plan:
    used = [(device, count) for device, count in zip(plan.devices, plan.tensor_split, strict=True) if count]
    return replace(plan, devices=tuple(device for device, _ in used), tensor_split=tuple(count for _, count in used))


def _with_weights_moved(plan: Plan, moved: Callable[[int], int]) -> Plan:
    devices: list[DevicePlan] = []
    for index, device in enumerate(plan.devices):
        devices.append(replace(device, weights_bytes=device.weights_bytes - moved(index)))
    total = sum(moved(index) for index in range(len(plan.devices)))
    host = HostPlan(plan.host.weights_bytes + total, plan.host.total_bytes + total)
    return replace(plan, devices=tuple(devices), host=host)

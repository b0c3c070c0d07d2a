"""Plan where every part of a model goes. Pure: the same model, machine and wishes give the same plan.

docs/placement.md explains the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.core.facts import (
    DevicePlan,
    Gpu,
    Hardware,
    HostPlan,
    ModelFacts,
    Plan,
    ProjectorFacts,
    TensorOverride,
)
from app.hardware.layout import Card, Layout, Share, lay_out
from app.hardware.needs import GIB, MIB, Needs, add_up
from app.hardware.wording import (
    card_label,
    context_reasons,
    memory_reasons,
    placement_reasons,
    projector_reasons,
)

DEFAULT_RESERVE_BYTES = 1024 * MIB
DISPLAY_RESERVE_BYTES = 512 * MIB  # more on the card that draws the desktop
RAM_RESERVE_BYTES = 2 * GIB
CONTEXT_LADDER = (32768, 24576, 16384, 12288, 8192, 6144, 4096)
# A longer context may push this part of the model out of the GPUs, no more.
CONTEXT_PRICE = 0.05

_EXPERT_KINDS = frozenset({"gate_up", "gate", "up", "down"})
# Architectures whose down projection llama-cpp-python 0.3.36 marks as F32, which CUDA and Vulkan refuse:
# in VRAM these experts would be copied to the CPU for every token.
_DOWN_REFUSED_ARCHS = frozenset({"mistral4"})


@dataclass(frozen=True, slots=True)
class Wishes:
    """Hold what the person asked for.

    `context_tokens` 0 lets the planner choose. `reserve_bytes` stays free on every GPU, and a little more on
    the one that drives the display. `down_experts_in_vram` is for backends that accept them there.
    """

    context_tokens: int = 0
    reserve_bytes: int = DEFAULT_RESERVE_BYTES
    down_experts_in_vram: bool = False


def plan_placement(model: ModelFacts, projector: ProjectorFacts | None, hardware: Hardware, wishes: Wishes) -> Plan:
    """Return where the model goes on this machine; when it does not fit, `reasons` say what is missing."""
    needs = add_up(model, projector)
    kinds = _allowed_kinds(model, wishes)
    cards = _cards(hardware, wishes)
    ram_bytes = hardware.ram_available_bytes - RAM_RESERVE_BYTES

    def layout_for(context_tokens: int) -> Layout:
        return lay_out(needs, cards, kinds, context_tokens)

    layout = _choose(layout_for, needs, model, wishes, ram_bytes)
    fits = layout.host_bytes <= ram_bytes
    reasons = [
        *placement_reasons(needs, layout, hardware, down_refused="down" not in kinds),
        *projector_reasons(needs, layout, hardware),
        *context_reasons(needs, layout, model, wishes.context_tokens),
    ]
    if not fits:
        shorter = _shorter_that_fits(layout_for, layout.context_tokens, ram_bytes)
        reasons += memory_reasons(needs, layout.host_bytes - ram_bytes, shorter)
    return _plan(needs, layout, hardware, tuple(reasons), fits=fits)


def _allowed_kinds(model: ModelFacts, wishes: Wishes) -> frozenset[str]:
    if model.arch in _DOWN_REFUSED_ARCHS and not wishes.down_experts_in_vram:
        return _EXPERT_KINDS - {"down"}
    return _EXPERT_KINDS


def _cards(hardware: Hardware, wishes: Wishes) -> tuple[Card, ...]:
    """Return the cards, the roomiest first and the display's last among equals."""

    def budget(gpu: Gpu) -> int:
        reserve = wishes.reserve_bytes + (DISPLAY_RESERVE_BYTES if gpu.drives_display else 0)
        return max(gpu.free_bytes - reserve, 0)

    numbered = sorted(
        enumerate(hardware.gpus), key=lambda item: (-budget(item[1]), item[1].drives_display, item[1].bus_id)
    )
    return tuple(Card(number, budget(gpu)) for number, gpu in numbered)


def _choose(
    layout_for: Callable[[int], Layout], needs: Needs, model: ModelFacts, wishes: Wishes, ram_bytes: int
) -> Layout:
    """Return the layout for the context wished for, or for the longest one that costs nothing important."""
    longest = model.training_context
    if wishes.context_tokens:
        return layout_for(min(wishes.context_tokens, longest))
    ladder = sorted({min(step, longest) for step in CONTEXT_LADDER}, reverse=True)
    shortest = layout_for(ladder[-1])
    allowed_bytes = shortest.host_weights_bytes + int(CONTEXT_PRICE * needs.model_bytes)
    for context_tokens in ladder[:-1]:
        layout = layout_for(context_tokens)
        costs_a_card = len(layout.shares) > len(shortest.shares)
        fits = layout.host_bytes <= max(ram_bytes, shortest.host_bytes)
        if fits and not costs_a_card and layout.host_weights_bytes <= allowed_bytes:
            return layout
    return shortest


def _shorter_that_fits(layout_for: Callable[[int], Layout], context_tokens: int, ram_bytes: int) -> int | None:
    for shorter in CONTEXT_LADDER:
        if shorter < context_tokens and layout_for(shorter).host_bytes <= ram_bytes:
            return shorter
    return None


def _plan(needs: Needs, layout: Layout, hardware: Hardware, reasons: tuple[str, ...], *, fits: bool) -> Plan:
    with_projector = [share for share in layout.shares if share.projector_bytes]
    return Plan(
        fits=fits,
        context_tokens=layout.context_tokens,
        n_gpu_layers=sum(len(share.slots) for share in layout.shares),
        tensor_split=tuple(len(share.slots) for share in layout.shares),
        overrides=_overrides(needs, layout),
        devices=tuple(_device(share, hardware) for share in layout.shares),
        host=HostPlan(layout.host_weights_bytes, layout.host_bytes),
        reasons=reasons,
        projector_device=hardware.gpus[with_projector[0].card.number].bus_id if with_projector else None,
    )


def _device(share: Share, hardware: Hardware) -> DevicePlan:
    return DevicePlan(
        name=card_label(hardware, share.card.number),
        bus_id=hardware.gpus[share.card.number].bus_id,
        budget_bytes=share.card.budget_bytes,
        weights_bytes=share.weights_bytes,
        kv_bytes=share.cache_bytes,
        compute_bytes=share.compute_bytes,
        projector_bytes=share.projector_bytes,
    )


def _overrides(needs: Needs, layout: Layout) -> tuple[TensorOverride, ...]:
    """Return the patterns that keep experts of the cards' layers in RAM: one per distinct set of layers."""
    kinds_of: dict[tuple[int, ...], list[str]] = {}
    for kind in sorted(_EXPERT_KINDS):
        owners = [index for index, slot in enumerate(needs.slots) if kind in slot.experts]
        kept = [index for index in owners if kind not in layout.experts.get(index, frozenset())]
        # Layers that are on the CPU anyway need no override; naming them too allows the short form.
        if any(index in layout.experts for index in kept):
            kinds_of.setdefault(() if kept == owners else tuple(kept), []).append(kind)
    return tuple(
        TensorOverride(rf"blk\.{_alternatives(layers)}\.ffn_({'|'.join(kinds)})_exps", "CPU")
        for layers, kinds in kinds_of.items()
    )


def _alternatives(layers: tuple[int, ...]) -> str:
    return f"({'|'.join(map(str, layers))})" if layers else r"\d+"

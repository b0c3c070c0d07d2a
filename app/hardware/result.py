"""Turn a layout into the plan that the engine and the window get."""

from __future__ import annotations

from app.core.facts import DevicePlan, Hardware, HostPlan, Plan, TensorOverride
from app.hardware.layout import Layout, Share
from app.hardware.needs import Needs
from app.hardware.wishes import Wishes
from app.hardware.wording import card_label

EXPERT_KINDS = frozenset({"gate_up", "gate", "up", "down"})


def make_plan(needs: Needs, layout: Layout, hardware: Hardware, wishes: Wishes, reasons: tuple[str, ...]) -> Plan:
    """Return `layout` as a plan that fits and has no expected speed yet."""
    with_projector = [share for share in layout.shares if share.projector_bytes]
    return Plan(
        fits=True,
        context_tokens=layout.context_tokens,
        n_gpu_layers=sum(len(share.slots) for share in layout.shares),
        tensor_split=tuple(len(share.slots) for share in layout.shares),
        overrides=(*_pins(needs, layout), *_overrides(needs, layout)),
        devices=tuple(_device(share, hardware, wishes) for share in layout.shares),
        host=HostPlan(layout.host_weights_bytes, layout.host_bytes),
        reasons=reasons,
        projector_device=hardware.gpus[with_projector[0].card.number].bus_id if with_projector else None,
        kv_type=wishes.kv_type,
    )


def _device(share: Share, hardware: Hardware, wishes: Wishes) -> DevicePlan:
    gpu = hardware.gpus[share.card.number]
    return DevicePlan(
        name=card_label(hardware, share.card.number),
        bus_id=gpu.bus_id,
        budget_bytes=share.card.budget_bytes,
        weights_bytes=share.weights_bytes,
        kv_bytes=share.cache_bytes,
        compute_bytes=share.compute_bytes,
        projector_bytes=share.projector_bytes,
        reserve_bytes=min(wishes.reserve_for(gpu), gpu.free_bytes),
        occupied_bytes=max(0, gpu.total_bytes - gpu.free_bytes),
        capacity_bytes=gpu.total_bytes,
    )


def _pins(needs: Needs, layout: Layout) -> tuple[TensorOverride, ...]:
    """Return the patterns for what the person pinned: one per device, before all others."""
    layers_of: dict[str, list[int]] = {}
    used = {"CPU", *(share.card.bus_id for share in layout.shares)}
    for index, slot in enumerate(needs.slots):
        if slot.pinned_to:
            layers_of.setdefault(slot.pinned_to if slot.pinned_to in used else "CPU", []).append(index)
    return tuple(
        TensorOverride(rf"blk\.{_alternatives(tuple(layers))}\.ffn_(gate_up|gate|up|down)", target)
        for target, layers in layers_of.items()
    )


def _overrides(needs: Needs, layout: Layout) -> tuple[TensorOverride, ...]:
    """Return the patterns that keep experts of the cards' layers in RAM: one per distinct set of layers."""
    kinds_of: dict[tuple[int, ...], list[str]] = {}
    for kind in sorted(EXPERT_KINDS):
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

"""Put a placement into sentences for the person."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.facts import Hardware, ModelFacts
from app.hardware.layout import Layout, Share
from app.hardware.needs import GIB, Needs
from app.hardware.wishes import Alternative, Wishes

_NEGLIGIBLE_BYTES = GIB // 20  # would read "0.0 GiB"


def card_label(hardware: Hardware, number: int) -> str:
    """Return a GPU's name, with its number where there are several."""
    name = hardware.gpus[number].name
    return f"{name} (GPU {number + 1})" if len(hardware.gpus) > 1 else name


def placement_reasons(needs: Needs, layout: Layout, hardware: Hardware, *, down_refused: bool) -> tuple[str, ...]:
    """Say what goes where, and why not more of it."""
    has_experts = any(slot.experts for slot in needs.slots)
    if not layout.shares:
        return (_no_card(hardware),)
    if not has_experts:
        return _dense_reasons(needs, layout, hardware)
    reasons = [_experts_on(needs, share, hardware) for share in layout.shares]
    reasons += _layers_on_cpu(needs, layout)
    reasons += _experts_in_ram(needs, layout, down_refused=down_refused)
    return tuple(reasons)


def projector_reasons(needs: Needs, layout: Layout, hardware: Hardware) -> tuple[str, ...]:
    """Say where pictures are read."""
    if not needs.projector_bytes:
        return ()
    for share in layout.shares:
        if share.projector_bytes:
            label = card_label(hardware, share.card.number)
            return (f"Pictures are read on {label}, which takes {_gib(share.projector_bytes)}.",)
    why = "because no GPU has room for it" if layout.shares else "because no GPU is used"
    return (f"Pictures are read on the CPU, {why}; that takes longer.",)


def context_reasons(needs: Needs, layout: Layout, model: ModelFacts, wished: int) -> tuple[str, ...]:
    """Say what the context takes and why it is as long as it is."""
    cache_bytes = sum(slot.cache_bytes(layout.context_tokens) for slot in needs.slots)
    tokens = f"{layout.context_tokens:,}"
    if wished > model.training_context:
        return (f"The context is {tokens} tokens, because the model was not made for more.",)
    if cache_bytes < _NEGLIGIBLE_BYTES:
        return ()
    if wished:
        return (f"The context of {tokens} tokens takes {_gib(cache_bytes)}.",)
    return (f"A context of {tokens} tokens was chosen; it takes {_gib(cache_bytes)}.",)


def wish_reasons(wishes: Wishes, hardware: Hardware, pins_left_out: Sequence[int]) -> tuple[str, ...]:
    """Say which wishes shaped the plan, and which could not be met."""
    reasons: list[str] = []
    known = {gpu.bus_id for gpu in hardware.gpus}
    missing = [bus_id for bus_id in (*wishes.split, *(wishes.devices or ())) if bus_id not in known]
    if missing:
        reasons.append(f"The card at {missing[0]} was asked for, but it is not here or can't be used.")
    if wishes.split:
        reasons.append("The layers are divided as you set it; experts fill what is left.")
    if pins_left_out:
        reasons.append(f"Layer {pins_left_out[0] + 1} can't be pinned to a card that holds no layers; it stays in RAM.")
    if wishes.kv_type != "f16":
        reasons.append(f"The conversation is kept in {wishes.kv_type}, which takes less memory and is less exact.")
    return tuple(reasons)


def overfull_reasons(layout: Layout, hardware: Hardware) -> tuple[str, ...]:
    """Say which cards a split by hand fills beyond what is free."""
    return tuple(
        f"{card_label(hardware, share.card.number)} is too full by "
        f"{_gib(max(share.total_bytes - share.card.budget_bytes, 2 * _NEGLIGIBLE_BYTES))}: give it fewer layers, "
        "a shorter context or a smaller reserve."
        for share in layout.overfull
    )


def memory_reasons(
    needs: Needs, needed_bytes: int, ram_bytes: int, shorter: int | None, alternatives: Sequence[Alternative]
) -> tuple[str, ...]:
    """Say how much RAM is missing, and the nearest thing that would fit."""
    missing_bytes = needed_bytes - ram_bytes
    missing = (
        f"{_gib(needed_bytes)} of RAM are needed and {_gib(max(ram_bytes, 0))} can be used: "
        f"{_gib(max(missing_bytes, _NEGLIGIBLE_BYTES * 2))} of free RAM are missing."
    )
    if shorter:
        return missing, f"With a context of {shorter:,} tokens it would fit."
    possible = needs.model_bytes - missing_bytes
    fitting = [one for one in alternatives if one.total_bytes <= possible]
    if fitting:
        best = max(fitting, key=lambda one: one.total_bytes)
        return missing, f"{best.title} ({_gib(best.total_bytes)}) would fit; it is under Models."
    if possible < needs.model_bytes // 8:
        return missing, "The model is far too large for this computer; choose a smaller one."
    return missing, (f"Close other programs, or choose a smaller quantization: about {_gib(possible)} would fit.")


def _no_card(hardware: Hardware) -> str:
    if not hardware.gpus:
        return "There is no usable GPU, so everything runs on the CPU, from RAM."
    return "The GPUs have too little free memory for even one layer, so everything runs on the CPU, from RAM."


def _dense_reasons(needs: Needs, layout: Layout, hardware: Hardware) -> tuple[str, ...]:
    if layout.complete and len(layout.shares) == 1:
        return (f"The whole model goes to {card_label(hardware, layout.shares[0].card.number)}.",)
    placed = [
        f"{_layers(needs, share)} with {_gib(share.weights_bytes)} go to {card_label(hardware, share.card.number)}."
        for share in layout.shares
    ]
    return (*placed, *_layers_on_cpu(needs, layout))


def _experts_on(needs: Needs, share: Share, hardware: Hardware) -> str:
    label = card_label(hardware, share.card.number)
    n_layers = len(needs.slots) - 1
    which = "" if len(share.slots) > n_layers else f" {share.slots[0] + 1} to {min(share.slots.stop, n_layers)}"
    experts = f"{_gib(share.experts_bytes)} of experts" if share.experts_bytes else "no experts"
    return f"The attention layers{which} and {experts} go to {label}."


def _layers_on_cpu(needs: Needs, layout: Layout) -> tuple[str, ...]:
    n_left = len(needs.slots) - sum(len(share.slots) for share in layout.shares)
    if not n_left:
        return ()
    n_layers = len(needs.slots) - 1
    return (f"{n_left} of {n_layers} layers stay on the CPU, because the GPUs are full; that costs speed.",)


def _experts_in_ram(needs: Needs, layout: Layout, *, down_refused: bool) -> tuple[str, ...]:
    down = sum(slot.experts.get("down", 0) for slot in needs.slots) if down_refused else 0
    on_cards = sum(share.experts_bytes for share in layout.shares)
    others = sum(sum(slot.experts.values()) for slot in needs.slots) - on_cards - down
    reasons: list[str] = []
    if others >= _NEGLIGIBLE_BYTES:
        reasons.append(f"{_gib(others)} of experts stay in RAM, because the GPUs are full.")
    if down:
        reasons.append(
            f"{_gib(down)} of experts (the down part) stay in RAM in any case, because this version of the "
            "engine can't use them on a GPU."
        )
    return tuple(reasons)


def _layers(needs: Needs, share: Share) -> str:
    n_layers = sum(1 for slot in share.slots if slot < len(needs.slots) - 1)
    return f"{n_layers} of {len(needs.slots) - 1} layers"


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"

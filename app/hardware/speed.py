"""Expect how fast a placement decodes, from the bytes each device reads per token and how fast it reads them.

docs/placement.md says where the constants come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.hardware.layout import Layout, Share
from app.hardware.needs import Needs

ASSUMED_GPU_BANDWIDTH = 400e9  # bytes per second, where the driver does not say
ASSUMED_RAM_BANDWIDTH = 40e9  # where it was not measured: two channels of DDR4
READ_TOKENS = 4096  # the conversation that stands in the cache while the speed is told
# The part of a memory's bandwidth that decoding reaches.
_GPU_SHARE = 0.75
_CPU_SHARE = 0.7
_GPU_LAYER_S = 70e-6  # to start a layer's kernels
_CPU_LAYER_S = 30e-6  # to gather a layer's threads
_HOP_S = 60e-6  # to bring one token's activations from one device to another, and wait for them


@dataclass(frozen=True, slots=True)
class Speeds:
    """Hold memory bandwidths in bytes per second: the RAM's and that of each of the machine's cards, by number.

    `factor` is what this model reached here, of what was expected.
    """

    ram: float
    cards: Mapping[int, float]
    factor: float = 1.0


def expect_speed(needs: Needs, layout: Layout, speeds: Speeds) -> float:
    """Return the tokens per second that `layout` should decode, the conversation being READ_TOKENS long."""
    tokens = min(layout.context_tokens, READ_TOKENS)
    seconds = sum(_card_seconds(needs, share, tokens, speeds) for share in layout.shares)
    seconds += _cpu_seconds(needs, layout, tokens, speeds)
    seconds += count_hops(needs, layout) * _HOP_S
    return speeds.factor / seconds


def count_hops(needs: Needs, layout: Layout) -> int:
    """Return how often one token's activations change the device on their way through the layers."""
    hops = max(0, len(layout.shares) - 1)
    if not layout.shares:
        return 0
    for share in layout.shares:
        for index in share.slots:
            slot = needs.slots[index]
            placed = layout.experts.get(index, frozenset())
            if slot.experts.keys() - placed or (slot.pinned_to and slot.pinned_bytes):
                hops += 2  # there and back
    return hops + 2  # the embedding comes from the CPU, the logits go back there


def _card_seconds(needs: Needs, share: Share, tokens: int, speeds: Speeds) -> float:
    pinned_here = [slot.pinned_experts_bytes for slot in needs.slots if slot.pinned_to == share.card.bus_id]
    dense = share.weights_bytes - share.experts_bytes - sum(pinned_here) * (1 - needs.experts_read)
    cached = sum(needs.slots[slot].cache_bytes(tokens) for slot in share.slots)
    read = dense + share.experts_bytes * needs.experts_read + cached
    return read / (speeds.cards[share.card.number] * _GPU_SHARE) + len(share.slots) * _GPU_LAYER_S


def _cpu_seconds(needs: Needs, layout: Layout, tokens: int, speeds: Speeds) -> float:
    on_cards = {slot for share in layout.shares for slot in share.slots}
    read, calls = 0.0, 0
    for index, slot in enumerate(needs.slots):
        placed = layout.experts.get(index, frozenset())
        experts = sum(size for kind, size in slot.experts.items() if kind not in placed)
        read += experts * needs.experts_read
        calls += bool(experts) or index not in on_cards
        if index not in on_cards:
            read += slot.dense_bytes + slot.shared_bytes + slot.cache_bytes(tokens)
        if slot.pinned_to == "CPU":
            read += slot.pinned_bytes - slot.pinned_experts_bytes * (1 - needs.experts_read)
    return read / (speeds.ram * _CPU_SHARE) + calls * _CPU_LAYER_S

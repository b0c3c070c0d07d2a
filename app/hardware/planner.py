"""Plan where every part of a model goes. Pure: the same model, machine and wishes give the same plan.

docs/placement.md explains the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from app.core.facts import Hardware, ModelFacts, Plan, ProjectorFacts
from app.hardware.choice import choose_layout
from app.hardware.layout import Card, Layout, lay_out_by_hand
from app.hardware.needs import GIB, Needs, add_up
from app.hardware.result import EXPERT_KINDS, make_plan
from app.hardware.speed import ASSUMED_GPU_BANDWIDTH, ASSUMED_RAM_BANDWIDTH, Speeds, expect_speed
from app.hardware.wishes import Alternative, Lesson, Preference, Wishes
from app.hardware.wording import (
    context_reasons,
    memory_reasons,
    overfull_reasons,
    placement_reasons,
    projector_reasons,
    wish_reasons,
)

RAM_RESERVE_BYTES = 2 * GIB
CONTEXT_LADDER = (32768, 24576, 16384, 12288, 8192, 6144, 4096)
LONG_LADDER = (1048576, 524288, 262144, 196608, 131072, 98304, 65536, 49152, *CONTEXT_LADDER)
# A longer context may cost this part of the speed, no more.
CONTEXT_PRICE = {Preference.BALANCED: 0.05, Preference.CONTEXT: 1.0, Preference.SPEED: 0.005}

# Architectures whose down projection llama-cpp-python 0.3.36 marks as F32. Where a backend refuses that, these
# experts would be copied to the CPU for every token.
_DOWN_MARKED_ARCHS = frozenset({"mistral4"})
_NO_LESSON = Lesson()


def plan_placement(
    model: ModelFacts,
    projector: ProjectorFacts | None,
    hardware: Hardware,
    wishes: Wishes,
    lesson: Lesson = _NO_LESSON,
    alternatives: Sequence[Alternative] = (),
) -> Plan:
    """Return where the model goes on this machine; when it does not fit, `reasons` say what is missing.

    `alternatives` are other files of the model, to be named where they would fit.
    """
    task = _Task.of(model, projector, hardware, wishes, lesson)
    layout = task.choose()
    missing_bytes = layout.host_bytes - task.ram_bytes
    reasons = [
        *wish_reasons(wishes, hardware, task.pins_left_out(layout)),
        *placement_reasons(task.needs, layout, hardware, down_refused="down" not in task.kinds),
        *projector_reasons(task.needs, layout, hardware),
        *context_reasons(task.needs, layout, model, wishes.context_tokens),
        *overfull_reasons(layout, hardware),
    ]
    if missing_bytes > 0:
        reasons += memory_reasons(task.needs, layout.host_bytes, task.ram_bytes, task.shorter(layout), alternatives)
    plan = make_plan(task.needs, layout, hardware, wishes, tuple(reasons))
    fits = missing_bytes <= 0 and not layout.overfull
    return replace(plan, fits=fits, expected_tokens_per_second=round(task.speed(layout), 2))


@dataclass(frozen=True)
class _Task:
    """Hold what is asked for one plan, in the terms of layouts."""

    model: ModelFacts
    needs: Needs
    cards: tuple[Card, ...]
    kinds: frozenset[str]
    ram_bytes: int
    speeds: Speeds
    wishes: Wishes
    layout_for: Callable[[int], Layout]

    @classmethod
    def of(
        cls,
        model: ModelFacts,
        projector: ProjectorFacts | None,
        hardware: Hardware,
        wishes: Wishes,
        lesson: Lesson,
    ) -> _Task:
        pins = _possible_pins(model, hardware, wishes)
        needs = add_up(model, projector, wishes.kv_type, pins)
        cards = _cards(hardware, wishes, lesson)
        kinds = _allowed_kinds(model, hardware, wishes)
        bandwidths = {number: gpu.bandwidth or ASSUMED_GPU_BANDWIDTH for number, gpu in enumerate(hardware.gpus)}
        speeds = Speeds(hardware.ram_bandwidth or ASSUMED_RAM_BANDWIDTH, bandwidths, lesson.speed_factor)
        ram_bytes = hardware.ram_available_bytes - RAM_RESERVE_BYTES - lesson.extra_bytes.get("CPU", 0)

        @cache
        def layout_for(context_tokens: int) -> Layout:
            if wishes.split:
                counts = [max(0, wishes.split.get(card.bus_id, 0)) for card in cards]
                return lay_out_by_hand(needs, cards, _at_most(counts, model.n_layers), kinds, context_tokens)
            return choose_layout(
                needs, cards, kinds, context_tokens, lambda layout: expect_speed(needs, layout, speeds)
            )

        return cls(model, needs, cards, kinds, ram_bytes, speeds, wishes, layout_for)

    def choose(self) -> Layout:
        """Return the layout for the context wished for, or for the longest one that costs nothing important."""
        longest = self.model.training_context
        if self.wishes.context_tokens:
            return self.layout_for(min(self.wishes.context_tokens, longest))
        preference = self.wishes.preference
        ladder = LONG_LADDER if preference is Preference.CONTEXT else CONTEXT_LADDER
        steps = sorted({min(step, longest) for step in ladder}, reverse=True)
        shortest = self.layout_for(steps[-1])
        for context_tokens in steps[:-1]:
            layout = self.layout_for(context_tokens)
            if self._is_worth_it(layout, shortest, preference):
                return layout
        return shortest

    def _is_worth_it(self, longer: Layout, shortest: Layout, preference: Preference) -> bool:
        """Say whether a longer context fits and costs no more than is wished."""
        leaves_its_card = len(longer.shares) > len(shortest.shares) == 1 and preference is not Preference.CONTEXT
        fits = longer.host_bytes <= max(self.ram_bytes, shortest.host_bytes) and not longer.overfull
        allowed = self.speed(shortest) * (1 - CONTEXT_PRICE[preference])
        return fits and not leaves_its_card and self.speed(longer) >= allowed

    def shorter(self, layout: Layout) -> int | None:
        """Return the longest shorter context that fits into RAM, if there is one."""
        for shorter in LONG_LADDER:
            if shorter < layout.context_tokens and self.layout_for(shorter).host_bytes <= self.ram_bytes:
                return shorter
        return None

    def speed(self, layout: Layout) -> float:
        """Return the tokens per second that are expected of `layout`."""
        return expect_speed(self.needs, layout, self.speeds)

    def pins_left_out(self, layout: Layout) -> tuple[int, ...]:
        """Return the layers that could not stay where they were pinned."""
        used = {"CPU", *(share.card.bus_id for share in layout.shares)}
        return tuple(layer for layer, target in self.wishes.pins.items() if target not in used)


def _possible_pins(model: ModelFacts, hardware: Hardware, wishes: Wishes) -> dict[int, str]:
    known = {"CPU", *(gpu.bus_id for gpu in hardware.gpus if wishes.devices is None or gpu.bus_id in wishes.devices)}
    return {layer: to for layer, to in wishes.pins.items() if 0 <= layer < model.n_layers and to in known}


def _allowed_kinds(model: ModelFacts, hardware: Hardware, wishes: Wishes) -> frozenset[str]:
    if model.arch not in _DOWN_MARKED_ARCHS:
        return EXPERT_KINDS
    allowed = wishes.down_experts_in_vram
    if allowed is None:
        allowed = bool(hardware.gpus) and all(gpu.takes_f32_experts is True for gpu in hardware.gpus)
    return EXPERT_KINDS if allowed else EXPERT_KINDS - {"down"}


def _cards(hardware: Hardware, wishes: Wishes, lesson: Lesson) -> tuple[Card, ...]:
    """Return the cards that may be used: in the order of a split by hand, or the roomiest first.

    Among equals the faster one comes first and the one with the display last.
    """
    cards = [
        Card(
            number,
            max(gpu.free_bytes - wishes.reserve_for(gpu), 0),
            gpu.bus_id,
            gpu.bandwidth or ASSUMED_GPU_BANDWIDTH,
            lesson.extra_bytes.get(gpu.bus_id, 0),
        )
        for number, gpu in enumerate(hardware.gpus)
        if wishes.devices is None or gpu.bus_id in wishes.devices
    ]
    if wishes.split:
        places = {bus_id: place for place, bus_id in enumerate(wishes.split)}
        return tuple(sorted((card for card in cards if card.bus_id in places), key=lambda card: places[card.bus_id]))
    return tuple(
        sorted(
            cards,
            key=lambda card: (
                -card.budget_bytes,
                -card.bandwidth,
                hardware.gpus[card.number].drives_display,
                card.bus_id,
            ),
        )
    )


def _at_most(counts: Sequence[int], n_layers: int) -> list[int]:
    """Return `counts`, cut off where there are no more layers."""
    cut: list[int] = []
    for count in counts:
        cut.append(min(count, n_layers - sum(cut)))
    return cut

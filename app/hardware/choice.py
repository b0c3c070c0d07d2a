"""Choose the fastest of the layouts that differ in their cards and in the order of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice

from app.hardware.layout import Card, Layout, lay_out_part, lay_out_whole
from app.hardware.needs import Needs

MAX_COMBINATIONS = 24  # of as many cards as are tried at a time; more would make eight cards slow to plan
CLEARLY = 1.005  # an estimate does not tell less than half a per cent apart

Speed = Callable[[Layout], float]


def choose_layout(
    needs: Needs, cards: Sequence[Card], kinds: frozenset[str], context_tokens: int, speed: Speed
) -> Layout:
    """Place the model on as few of `cards` as hold it whole, or else on as many as make it fastest.

    `cards` come with the best first.
    """
    whole_bytes = _whole_bytes(needs, kinds, context_tokens)
    for count in range(1, len(cards) + 1):
        found = [
            layout
            for chosen in _combinations(cards, count, whole_bytes)
            if (layout := lay_out_whole(needs, chosen, kinds, context_tokens))
        ]
        if found:
            return _clearly_fastest(found, speed)
    return _clearly_fastest([lay_out_part(needs, order, kinds, context_tokens) for order in _orders(cards)], speed)


def _clearly_fastest(layouts: Sequence[Layout], speed: Speed) -> Layout:
    """Return the first layout that no later one clearly beats."""
    best, best_speed = layouts[0], speed(layouts[0])
    for layout in layouts[1:]:
        if (found := speed(layout)) > best_speed * CLEARLY:
            best, best_speed = layout, found
    return best


def _whole_bytes(needs: Needs, kinds: frozenset[str], context_tokens: int) -> int:
    fixed = sum(slot.fixed_bytes(context_tokens) + slot.expert_bytes(kinds) for slot in needs.slots)
    return fixed + needs.projector_bytes


def _combinations(cards: Sequence[Card], count: int, whole_bytes: int) -> Iterator[tuple[Card, ...]]:
    """Yield the ways to take `count` cards that could hold so much; equal cards stand in for each other."""
    seen: set[tuple[tuple[int, float, int], ...]] = set()

    def is_new_and_large_enough(chosen: tuple[Card, ...]) -> bool:
        look = tuple((card.budget_bytes, card.bandwidth, card.extra_bytes) for card in chosen)
        if look in seen or sum(card.budget_bytes for card in chosen) < whole_bytes:
            return False
        seen.add(look)
        return True

    return islice(filter(is_new_and_large_enough, combinations(cards, count)), MAX_COMBINATIONS)


def _orders(cards: Sequence[Card]) -> list[tuple[Card, ...]]:
    """Return the orders to try: the first card borrows weights while a prompt is read, the last has the output."""
    by_room = tuple(cards)
    fastest_first = tuple(sorted(cards, key=lambda card: -card.bandwidth))
    # A card that is slow enough to hold the others up is better left out.
    without_slowest = fastest_first[:-1] if len({card.bandwidth for card in cards}) > 1 else ()
    orders = [by_room, by_room[::-1], fastest_first, without_slowest]
    return list(dict.fromkeys(order for order in orders if order)) or [()]

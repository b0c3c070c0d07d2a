"""Decide which device holds which slot and which experts, for one context length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.hardware.needs import HOST_PROCESS_BYTES, PIPELINE_COPIES, RUNTIME_BYTES, Needs
from app.hardware.splitting import fill, split_layers


@dataclass(frozen=True, slots=True)
class Card:
    """Hold a GPU as the layout sees it; `number` counts the machine's GPUs from 0."""

    number: int
    budget_bytes: int


@dataclass(frozen=True, slots=True)
class Share:
    """Hold what one card gets; `slots` is a range of slot numbers."""

    card: Card
    slots: range
    weights_bytes: int
    experts_bytes: int
    cache_bytes: int
    compute_bytes: int
    projector_bytes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Hold a whole placement; `experts` says which kinds of each layer's experts lie on its card."""

    context_tokens: int
    shares: tuple[Share, ...]
    experts: Mapping[int, frozenset[str]]
    complete: bool
    host_weights_bytes: int
    host_bytes: int


@dataclass(frozen=True, slots=True)
class _Trial:
    """Hold what each of some cards must set aside before the first slot."""

    cards: tuple[Card, ...]
    aside: tuple[int, ...]
    projector_at: int | None

    @property
    def rooms(self) -> tuple[int, ...]:
        return tuple(card.budget_bytes - aside for card, aside in zip(self.cards, self.aside, strict=True))


def lay_out(needs: Needs, cards: Sequence[Card], kinds: frozenset[str], context_tokens: int) -> Layout:
    """Place the model on as few of `cards` (the best first) as hold it whole, or else on all of them.

    `kinds` are the kinds of experts that may lie on a card.
    """
    for count in range(1, len(cards) + 1):
        for projector_at in range(count) if needs.projector_bytes else (None,):
            trial = _trial(needs, cards[:count], context_tokens, projector_at, staging_bytes=0)
            layout = _place(needs, trial, kinds, context_tokens)
            if layout.complete and len(layout.shares) == count:
                return layout
    return _lay_out_part(needs, tuple(cards), kinds, context_tokens)


def _lay_out_part(needs: Needs, cards: tuple[Card, ...], kinds: frozenset[str], context_tokens: int) -> Layout:
    staging_bytes = needs.staging_bytes(kinds)
    while cards:
        bare = _trial(needs, cards, context_tokens, None, staging_bytes)
        roomiest = max(range(len(cards)), key=lambda index: bare.rooms[index])
        # Layers on the card help with every word, the projector only with pictures: at most half is for it.
        helps = 0 < needs.projector_bytes <= bare.rooms[roomiest] // 2
        trial = _trial(needs, cards, context_tokens, roomiest if helps else None, staging_bytes)
        layout = _place(needs, trial, kinds, context_tokens)
        used = tuple(share.card for share in layout.shares)
        if len(used) == len(cards) and sum(len(share.slots) for share in layout.shares) > 1:
            return layout
        # The output alone on a card would save nothing.
        cards = used if len(used) < len(cards) else ()
    return _place(needs, _Trial((), (), None), kinds, context_tokens)


def _trial(
    needs: Needs, cards: Sequence[Card], context_tokens: int, projector_at: int | None, staging_bytes: int
) -> _Trial:
    copies = PIPELINE_COPIES if len(cards) > 1 and not staging_bytes else 1
    usual = RUNTIME_BYTES + needs.compute_bytes(context_tokens, copies)
    aside = [usual] * len(cards)
    aside[0] += staging_bytes
    if projector_at is not None:
        aside[projector_at] += needs.projector_bytes
    return _Trial(tuple(cards), tuple(aside), projector_at)


def _place(needs: Needs, trial: _Trial, kinds: frozenset[str], context_tokens: int) -> Layout:
    fixed = [slot.fixed_bytes(context_tokens) for slot in needs.slots]
    optional = [slot.expert_bytes(kinds) for slot in needs.slots]
    counts = split_layers(fixed, optional, trial.rooms, needs.grain_bytes(kinds))
    experts: dict[int, frozenset[str]] = {}
    shares: list[Share] = []
    start = len(needs.slots) - sum(counts)
    for index, count in enumerate(counts):
        slots = range(start, start + count)
        start += count
        if count:
            room = trial.rooms[index] - sum(fixed[slot] for slot in slots)
            on_card = fill(_offered(needs, slots, kinds), room)
            experts.update(on_card)
            shares.append(_share(needs, trial, index, on_card, slots, context_tokens=context_tokens))
    everywhere = all(needs.slots[slot].experts.keys() & kinds == placed for slot, placed in experts.items())
    host_weights = _host_weights(needs, shares)
    return Layout(
        context_tokens=context_tokens,
        shares=tuple(shares),
        experts=experts,
        complete=sum(counts) == len(needs.slots) and everywhere,
        host_weights_bytes=host_weights,
        host_bytes=host_weights + _host_overhead(needs, shares, context_tokens),
    )


def _offered(needs: Needs, slots: range, kinds: frozenset[str]) -> dict[int, dict[str, int]]:
    return {
        slot: {kind: size for kind, size in needs.slots[slot].experts.items() if kind in kinds}
        for slot in slots
        if needs.slots[slot].experts
    }


def _share(
    needs: Needs,
    trial: _Trial,
    index: int,
    on_card: Mapping[int, frozenset[str]],
    slots: range,
    *,
    context_tokens: int,
) -> Share:
    members = needs.slots[slots.start : slots.stop]
    experts_bytes = sum(needs.slots[slot].expert_bytes(placed) for slot, placed in on_card.items())
    projector_bytes = needs.projector_bytes if index == trial.projector_at else 0
    return Share(
        card=trial.cards[index],
        slots=slots,
        weights_bytes=sum(slot.dense_bytes + slot.shared_bytes for slot in members) + experts_bytes,
        experts_bytes=experts_bytes,
        cache_bytes=sum(slot.cache_bytes(context_tokens) for slot in members),
        compute_bytes=trial.aside[index] - projector_bytes,
        projector_bytes=projector_bytes,
    )


def _host_weights(needs: Needs, shares: Sequence[Share]) -> int:
    copied = needs.slots[-1].shared_bytes if shares else 0
    return needs.model_bytes + copied - sum(share.weights_bytes for share in shares)


def _host_overhead(needs: Needs, shares: Sequence[Share], context_tokens: int) -> int:
    """Return what RAM holds besides weights."""
    on_cpu = needs.slots[: shares[0].slots.start] if shares else needs.slots
    projector_bytes = 0 if any(share.projector_bytes for share in shares) else needs.projector_bytes
    caches = sum(slot.cache_bytes(context_tokens) for slot in on_cpu)
    return caches + needs.compute_bytes(context_tokens, copies=1) + HOST_PROCESS_BYTES + projector_bytes

"""Decide which device holds which slot and which experts, for one context length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.hardware.needs import HOST_PROCESS_BYTES, PIPELINE_COPIES, RUNTIME_BYTES, Needs
from app.hardware.splitting import Room, fill, split_layers

_COST_SCALE = 1e15  # makes whole numbers of the time that a byte takes, so that equal cards stay equal


@dataclass(frozen=True, slots=True)
class Card:
    """Hold a GPU as the layout sees it; `number` counts the machine's GPUs from 0.

    `extra_bytes` is what an earlier load took there beyond its plan. `bandwidth` is in bytes per second.
    """

    number: int
    budget_bytes: int
    bus_id: str = ""
    bandwidth: float = 1.0
    extra_bytes: int = 0


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

    @property
    def total_bytes(self) -> int:
        """Return everything that goes to the card."""
        return self.weights_bytes + self.cache_bytes + self.compute_bytes + self.projector_bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """Hold a whole placement; `experts` says which kinds of each layer's experts lie on its card."""

    context_tokens: int
    shares: tuple[Share, ...]
    experts: Mapping[int, frozenset[str]]
    complete: bool
    host_weights_bytes: int
    host_bytes: int

    @property
    def overfull(self) -> tuple[Share, ...]:
        """Return the shares that need more than their card has; only a split by hand makes such."""
        return tuple(share for share in self.shares if share.total_bytes > share.card.budget_bytes)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Hold what each of some cards must set aside before the first slot."""

    cards: tuple[Card, ...]
    aside: tuple[int, ...]
    pinned: tuple[int, ...]
    projector_at: int | None

    @property
    def rooms(self) -> tuple[Room, ...]:
        return tuple(
            Room(card.budget_bytes - aside - pinned, max(1, round(_COST_SCALE / card.bandwidth)))
            for card, aside, pinned in zip(self.cards, self.aside, self.pinned, strict=True)
        )


def lay_out_whole(needs: Needs, cards: Sequence[Card], kinds: frozenset[str], context_tokens: int) -> Layout | None:
    """Place the model whole on all of `cards`, or return None where it does not go.

    `kinds` are the kinds of experts that may lie on a card.
    """
    for projector_at in range(len(cards)) if needs.projector_bytes else (None,):
        trial = _trial(needs, cards, context_tokens, projector_at, staging_bytes=0)
        layout = _place(needs, trial, kinds, context_tokens)
        if layout.complete and len(layout.shares) == len(cards):
            return layout
    return None


def lay_out_part(needs: Needs, cards: Sequence[Card], kinds: frozenset[str], context_tokens: int) -> Layout:
    """Place as much as possible on `cards`, in their order; those that hold nothing are left out."""
    staging_bytes = needs.staging_bytes(kinds)
    while cards:
        trial = _trial_with_room_for_pictures(needs, cards, context_tokens, staging_bytes)
        layout = _place(needs, trial, kinds, context_tokens)
        used = tuple(share.card for share in layout.shares)
        if len(used) == len(cards) and sum(len(share.slots) for share in layout.shares) > 1:
            return layout
        # The output alone on a card would save nothing.
        cards = used if len(used) < len(cards) else ()
    return _place(needs, _Trial((), (), (), None), kinds, context_tokens)


def lay_out_by_hand(
    needs: Needs, cards: Sequence[Card], counts: Sequence[int], kinds: frozenset[str], context_tokens: int
) -> Layout:
    """Place as many layers on each of `cards` as `counts` say; experts that find no room stay in RAM.

    A card that can't hold its layers even so is `overfull`.
    """
    used = [(card, count) for card, count in zip(cards, counts, strict=True) if count > 0]
    chosen = [card for card, _ in used]
    trial = _trial_with_room_for_pictures(needs, chosen, context_tokens, needs.staging_bytes(kinds) if chosen else 0)
    layers = [count for _, count in used]
    # The output goes with the last card as soon as every layer has one.
    if layers and sum(layers) == len(needs.slots) - 1:
        layers[-1] += 1
    return _place(needs, trial, kinds, context_tokens, tuple(layers))


def _trial_with_room_for_pictures(
    needs: Needs, cards: Sequence[Card], context_tokens: int, staging_bytes: int
) -> _Trial:
    bare = _trial(needs, cards, context_tokens, None, staging_bytes)
    rooms = [room.n_bytes for room in bare.rooms]
    roomiest = max(range(len(rooms)), key=rooms.__getitem__, default=None)
    # Layers on the card help with every word, the projector only with pictures: at most half is for it.
    if roomiest is None or not 0 < needs.projector_bytes <= rooms[roomiest] // 2:
        return bare
    return _trial(needs, cards, context_tokens, roomiest, staging_bytes)


def _trial(
    needs: Needs, cards: Sequence[Card], context_tokens: int, projector_at: int | None, staging_bytes: int
) -> _Trial:
    copies = PIPELINE_COPIES if len(cards) > 1 and not staging_bytes else 1
    usual = RUNTIME_BYTES + needs.compute_bytes(context_tokens, copies)
    aside = [max(usual + card.extra_bytes, usual // 2) for card in cards]
    if cards:
        aside[0] += staging_bytes
    if projector_at is not None:
        aside[projector_at] += needs.projector_bytes
    pinned = tuple(needs.pinned_bytes(card.bus_id) for card in cards)
    return _Trial(tuple(cards), tuple(aside), pinned, projector_at)


def _place(
    needs: Needs, trial: _Trial, kinds: frozenset[str], context_tokens: int, counts: tuple[int, ...] | None = None
) -> Layout:
    fixed = [slot.fixed_bytes(context_tokens) for slot in needs.slots]
    if counts is None:
        optional = [slot.expert_bytes(kinds) for slot in needs.slots]
        one_of = round(1 / needs.experts_read) if needs.experts_read else 1
        counts = split_layers(fixed, optional, trial.rooms, needs.grain_bytes(kinds), one_of)
    experts: dict[int, frozenset[str]] = {}
    shares: list[Share] = []
    start = len(needs.slots) - sum(counts)
    for index, count in enumerate(counts):
        slots = range(start, start + count)
        start += count
        if count:
            room = trial.rooms[index].n_bytes - sum(fixed[slot] for slot in slots)
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
        weights_bytes=sum(slot.dense_bytes + slot.shared_bytes for slot in members)
        + experts_bytes
        + trial.pinned[index],
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

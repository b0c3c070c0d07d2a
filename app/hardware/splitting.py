"""Divide a row of layers among devices of given room, and fill what is left of it with experts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

Score = tuple[int, float]  # bytes of experts placed, then the smallest room left on any device


def split_layers(fixed: Sequence[int], optional: Sequence[int], rooms: Sequence[int], grain: int) -> tuple[int, ...]:
    """Return how many slots each device takes, in order; the slots before the last ones stay on the CPU.

    Slot i needs `fixed[i]` bytes on its device and can use `optional[i]` more, in pieces of `grain` bytes.
    As many slots as possible go to the devices; among such splits the one with the most optional bytes wins,
    then the best balanced one. The search is exact where all pieces are equal.
    """
    n_slots = len(fixed)
    fixed_sums = [0, *accumulate(fixed)]
    optional_sums = [0, *accumulate(optional)]
    # best[j]: the score of covering slots j.. with the devices seen so far, from the last to the first
    best: list[Score | None] = [None] * n_slots + [(0, math.inf)]
    ends: list[list[int]] = []
    for room in reversed(rooms):
        best, chosen = _extend(best, fixed_sums, optional_sums, room, grain)
        ends.insert(0, chosen)
    start = next(index for index, score in enumerate(best) if score is not None)
    counts: list[int] = []
    for chosen in ends:
        counts.append(chosen[start] - start)
        start = chosen[start]
    return tuple(counts)


def _extend(
    after: list[Score | None], fixed_sums: list[int], optional_sums: list[int], room: int, grain: int
) -> tuple[list[Score | None], list[int]]:
    """Put one more device in front; return the new scores and where its slots end for every start."""
    n_slots = len(after) - 1
    best = list(after)  # taking no slot at all
    chosen = list(range(n_slots + 1))
    for start in range(n_slots):
        for end in range(start + 1, n_slots + 1):
            left = room - fixed_sums[end] + fixed_sums[start]
            if left < 0:
                break
            rest = after[end]
            if rest is None:
                continue
            placed = min(left - left % grain, optional_sums[end] - optional_sums[start])
            score = (rest[0] + placed, min(rest[1], float(left - placed)))
            current = best[start]
            if current is None or score > current:
                best[start], chosen[start] = score, end
    return best, chosen


def fill(layers: dict[int, dict[str, int]], room: int) -> dict[int, frozenset[str]]:
    """Return which kinds of each layer's experts go into `room` bytes: whole layers, then single tensors."""
    placed = dict.fromkeys(layers, frozenset[str]())
    for layer, kinds in layers.items():
        size = sum(kinds.values())
        if size <= room:
            placed[layer] = frozenset(kinds)
            room -= size
    rest = [
        (size, -layer, kind) for layer, kinds in layers.items() if not placed[layer] for kind, size in kinds.items()
    ]
    for size, layer, kind in sorted(rest, reverse=True):
        if size <= room:
            placed[-layer] |= {kind}
            room -= size
    return placed

"""Divide a row of layers among devices of given room, and fill what is left of it with experts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

# Bytes of experts placed, then less time for reading, then the smallest room left on any device.
Score = tuple[int, int, float]


@dataclass(frozen=True, slots=True)
class Room:
    """Hold a device as the split sees it: its free bytes, and what reading a byte there costs."""

    n_bytes: int
    cost: int = 1


def split_layers(
    fixed: Sequence[int], optional: Sequence[int], rooms: Sequence[Room], grain: int, read_one_of: int = 1
) -> tuple[int, ...]:
    """Return how many slots each device takes, in order; the slots before the last ones stay on the CPU.

    Slot i needs `fixed[i]` bytes on its device and can use `optional[i]` more, in pieces of `grain` bytes.
    Of the optional bytes one in `read_one_of` is read per token. As many slots as possible go to the devices;
    among such splits the one with the most optional bytes wins, then the one that is read fastest, then the best
    balanced one. The search is exact where all pieces are equal.
    """
    n_slots = len(fixed)
    fixed_sums = [0, *accumulate(fixed)]
    optional_sums = [0, *accumulate(optional)]
    # best[j]: the score of covering slots j.. with the devices seen so far, from the last to the first
    best: list[Score | None] = [None] * n_slots + [(0, 0, math.inf)]
    ends: list[list[int]] = []
    for room in reversed(rooms):
        best, chosen = _extend(best, fixed_sums, optional_sums, room, grain=grain, read_one_of=read_one_of)
        ends.insert(0, chosen)
    start = next(index for index, score in enumerate(best) if score is not None)
    counts: list[int] = []
    for chosen in ends:
        counts.append(chosen[start] - start)
        start = chosen[start]
    return tuple(counts)


def _extend(
    after: list[Score | None],
    fixed_sums: list[int],
    optional_sums: list[int],
    room: Room,
    *,
    grain: int,
    read_one_of: int,
) -> tuple[list[Score | None], list[int]]:
    """Put one more device in front; return the new scores and where its slots end for every start."""
    n_slots = len(after) - 1
    best = list(after)  # taking no slot at all
    chosen = list(range(n_slots + 1))
    for start in range(n_slots):
        for end in range(start + 1, n_slots + 1):
            used = fixed_sums[end] - fixed_sums[start]
            left = room.n_bytes - used
            if left < 0:
                break
            rest = after[end]
            if rest is None:
                continue
            placed = min(left - left % grain, optional_sums[end] - optional_sums[start])
            cost = (used + placed // read_one_of) * room.cost
            score = (rest[0] + placed, rest[1] - cost, min(rest[2], float(left - placed)))
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

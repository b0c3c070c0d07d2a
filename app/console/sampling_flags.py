"""The flags of `solo chat` that say how tokens are drawn."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from app.core.sampling import RANGES, Range

_THINK_BUDGET = Range("The thinking budget", 0, 1 << 24, "answer after this many tokens of thinking", is_whole=True)


def add_sampling_flags(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each value of `Sampling` but the seed, and the thinking budget."""
    group = parser.add_argument_group("how tokens are drawn (without: as set in the window, or as the makers say)")
    for name, limits in RANGES.items():
        if name != "seed":
            _add(group, name, limits)
    _add(group, "think_budget", _THINK_BUDGET)


def sampling_choices(options: argparse.Namespace) -> dict[str, float]:
    """Return what was chosen by flags."""
    return {name: value for name in RANGES if (value := getattr(options, name)) is not None}


def _add(group: argparse._ArgumentGroup, name: str, limits: Range) -> None:
    group.add_argument(f"--{name.replace('_', '-')}", type=_reader(limits), metavar="N", help=limits.about)


def _reader(limits: Range) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            return limits.read(text)
        except ValueError as complaint:
            raise argparse.ArgumentTypeError(str(complaint)) from complaint

    return read

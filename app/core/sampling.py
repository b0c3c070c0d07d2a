"""How tokens are drawn: the values, what the model's makers prescribe, and what can be chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.core.messages import ReasoningEffort

MAX_SEED = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Sampling:
    """Say how tokens are drawn. Temperature 0 is greedy; top_k 0 and top_p 1 are off.

    Penalties look back over `penalty_last_n` tokens, DRY over `dry_last_n`; -1 is the whole context.
    """

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    penalty_last_n: int = 64
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_last_n: int = -1
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1


# What the makers of Mistral Small 4 prescribe for each mode.
SAMPLING = {
    ReasoningEffort.HIGH: Sampling(temperature=0.7, top_p=0.95),
    ReasoningEffort.NONE: Sampling(temperature=0.1),
}


@dataclass(frozen=True, slots=True)
class Range:
    """Say what a person may choose for one value of `Sampling`; `name` is what it is called, `about` what it does."""

    name: str
    low: float
    high: float
    about: str
    is_whole: bool = False

    def complaint(self, value: float) -> str:
        """Return why `value` can't be used, as a sentence, or nothing."""
        if math.isfinite(value) and self.low <= value <= self.high and not (self.is_whole and value % 1):
            return ""
        kind = "whole number" if self.is_whole else "number"
        return f"{self.name} is a {kind} from {self.low:,.10g} to {self.high:,.10g}."

    def read(self, text: str) -> int | float:
        """Return the number that a person wrote. Raises ValueError with a sentence."""
        try:
            number = int(text) if self.is_whole else float(text.replace(",", "."))
        except ValueError:
            number = math.nan
        if complaint := self.complaint(number):
            raise ValueError(complaint)
        return number


RANGES = {
    "temperature": Range("Temperature", 0, 5, "0 always takes the likeliest token, more is more varied"),
    "top_p": Range("Top p", 0, 1, "keep the likeliest tokens that together have this probability; 1 is off"),
    "top_k": Range("Top k", 0, 1_000_000, "keep this many of the likeliest tokens; 0 is off", is_whole=True),
    "min_p": Range("Min p", 0, 1, "keep tokens at least this likely, as a share of the likeliest; 0 is off"),
    "seed": Range("Seed", 0, MAX_SEED, "draw the same tokens every time", is_whole=True),
    "repeat_penalty": Range("Repetition penalty", 0.01, 10, "make tokens that stood before less likely; 1 is off"),
    "frequency_penalty": Range("Frequency penalty", -10, 10, "the same, the more often they stood; 0 is off"),
    "presence_penalty": Range("Presence penalty", -10, 10, "the same, however often they stood; 0 is off"),
    "penalty_last_n": Range(
        "Penalty range", -1, 1 << 24, "how many tokens the penalties look back; -1 is all", is_whole=True
    ),
    "dry_multiplier": Range("DRY strength", 0, 100, "make going on with a repetition less likely; 0 is off"),
    "dry_base": Range("DRY base", 1, 10, "how fast that grows with the length of the repetition"),
    "dry_allowed_length": Range(
        "DRY allowed length", 0, 1 << 20, "repetitions up to this many tokens go unpunished", is_whole=True
    ),
    "dry_last_n": Range("DRY range", -1, 1 << 24, "how many tokens DRY looks back; -1 is all", is_whole=True),
    "xtc_probability": Range("XTC probability", 0, 1, "how often the likeliest tokens are left out; 0 is off"),
    "xtc_threshold": Range("XTC threshold", 0, 0.5, "leave out all but the last token at least this likely"),
}


def find_complaint(sampling: Sampling) -> str:
    """Return a sentence about the first value that can't be used, or nothing."""
    values = ((limits, getattr(sampling, name)) for name, limits in RANGES.items())
    return next((words for limits, value in values if value is not None and (words := limits.complaint(value))), "")


def with_choices(base: Sampling, choices: Mapping[str, float]) -> Sampling:
    """Return `base` with what a person has chosen in its place."""
    changes: dict[str, Any] = dict(choices)
    return replace(base, **changes)


def read_choices(raw: object) -> dict[str, float]:
    """Return the usable ones among what a settings file holds as choices; the others count as not chosen."""
    if not isinstance(raw, dict):
        return {}
    choices: dict[str, float] = {}
    for name, value in raw.items():
        limits = RANGES.get(name)
        if limits is None or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if abs(value) <= MAX_SEED and not limits.complaint(value):
            choices[name] = int(value) if limits.is_whole else float(value)
    return choices

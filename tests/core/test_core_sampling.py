from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

from app.core.messages import ReasoningEffort
from app.core.sampling import RANGES, SAMPLING, Sampling, find_complaint, with_choices


def test_every_value_has_a_range_that_holds_its_default() -> None:
    assert {item.name for item in fields(Sampling)} == set(RANGES)
    assert [find_complaint(sampling) for sampling in SAMPLING.values()] == ["", ""]


def test_what_the_makers_say_holds_for_each_mode() -> None:
    think, fast = SAMPLING[ReasoningEffort.HIGH], SAMPLING[ReasoningEffort.NONE]
    assert (think.temperature, think.top_p, think.top_k, think.min_p) == (0.7, 0.95, 0, 0)
    assert (fast.temperature, fast.top_p, fast.top_k, fast.min_p) == (0.1, 1.0, 0, 0)
    for sampling in (think, fast):
        assert (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty) == (1, 0, 0)
        assert (sampling.dry_multiplier, sampling.xtc_probability) == (0, 0)


def test_choices_take_the_place_of_what_the_makers_say() -> None:
    base = SAMPLING[ReasoningEffort.HIGH]
    assert with_choices(base, {"top_k": 40}) == replace(base, top_k=40)
    assert with_choices(base, {}) == base


@pytest.mark.parametrize("name", RANGES)
def test_a_number_that_makes_no_sense_is_complained_of_in_a_sentence(name: str) -> None:
    limits = RANGES[name]
    for value in (limits.low - 1, limits.high + 1, math.nan, math.inf, *([0.5] if limits.is_whole else [])):
        complaint = limits.complaint(value)
        assert complaint.startswith(limits.name)
        assert complaint.endswith(".")
        if math.isfinite(value):
            assert find_complaint(replace(SAMPLING[ReasoningEffort.NONE], **{name: value})) == complaint
    assert limits.complaint(limits.low) == limits.complaint(limits.high) == ""


@pytest.mark.parametrize(("name", "text", "number"), [("temperature", "0,7", 0.7), ("top_k", " 40 ", 40)])
def test_numbers_are_read_as_people_write_them(name: str, text: str, number: float) -> None:
    assert RANGES[name].read(text) == number


@pytest.mark.parametrize(("name", "text"), [("temperature", "hot"), ("top_k", "1.5"), ("seed", ""), ("top_p", "nan")])
def test_what_is_no_usable_number_is_refused_in_a_sentence(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{RANGES[name].name} is a "):
        RANGES[name].read(text)

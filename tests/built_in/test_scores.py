"""What ships is what was measured: the files' checksums, the recorded scores, and a fresh sample of answers."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator
from typing import Any

import pytest

from app.core.built_in import BUILT_IN_MODEL, BUILT_IN_PROJECTOR
from scripts.train.score import KINDS, Judge, Score

FILES = (BUILT_IN_MODEL, BUILT_IN_PROJECTOR)
MAX_BYTES = 12_000_000
RECORD = BUILT_IN_MODEL.with_name("scores.json")
ABOUT = BUILT_IN_MODEL.with_name("README.md")
# The share of right answers that each kind of question needs.
REQUIRED = {
    "colour and shape": 0.95,
    "side of a mark": 0.95,
    "addition, think": 0.95,
    "recall": 0.95,
    "recall across 1,000 tokens": 0.90,
    "sorting, think": 0.90,
    "reversal, think": 0.90,
    "counting, think": 0.90,
    "help, trained wording": 0.90,
    "anything else": 0.90,
    "typed control words": 0.90,
}
FEWEST_RECORDED = 100  # cases of each kind behind the recorded scores
FAST_IS_LOWER_BY = 0.3
SEED = 31_000  # neither training nor the recorded scores used it
CASES = 20
# So few cases can't tell 95 % from 90 %; the recorded scores do that. They tell whether these are the files that
# were measured, read and prepared as they were then: a kind fails when a model of the required rate would do so
# badly less than once in a thousand samples. Of 20 cases, that is 14 or fewer right ones at 95 %, 12 at 90 %.
RARE = 0.001


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    judge = Judge(BUILT_IN_MODEL, BUILT_IN_PROJECTOR)
    yield judge
    judge.close()


def rate(record: dict[str, Any], kind: str) -> float:
    found = record["scores"][kind]
    assert found["cases"] >= FEWEST_RECORDED, f"{kind}: too few cases to say anything"
    return float(found["right"] / found["cases"])


def luck(right: int, cases: int, share: float) -> float:
    """Return how likely at most `right` of `cases` answers are right, if each is with the probability `share`."""
    return sum(math.comb(cases, n) * share**n * (1 - share) ** (cases - n) for n in range(right + 1))


def test_both_files_together_are_small() -> None:
    assert sum(path.stat().st_size for path in FILES) <= MAX_BYTES


def test_the_files_are_those_that_were_measured(record: dict[str, Any]) -> None:
    assert record["sha256"] == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FILES}


@pytest.mark.parametrize("kind", REQUIRED)
def test_what_was_measured_is_enough_or_says_what_limits_it(record: dict[str, Any], kind: str) -> None:
    if rate(record, kind) < REQUIRED[kind]:
        limits = ABOUT.read_text(encoding="utf-8").partition("## Limits")[2]
        assert f"- {kind}: " in limits, f"{kind} falls short, and nobody wrote why"


def test_thinking_makes_a_difference_that_can_be_seen(record: dict[str, Any]) -> None:
    assert rate(record, "addition, fast") <= rate(record, "addition, think") - FAST_IS_LOWER_BY


@pytest.mark.model
@pytest.mark.parametrize("kind", REQUIRED)
def test_cases_never_seen_are_answered(judge: Judge, record: dict[str, Any], kind: str) -> None:
    source = random.Random(f"{SEED} {kind}")
    score = Score()
    for _ in range(CASES):
        sample = KINDS[kind](source)
        score.add(sample, judge.answer(sample))
    needed = min(REQUIRED[kind], rate(record, kind))
    assert luck(score.right, score.cases, needed) >= RARE, f"{score.right} of {score.cases} right; {score.wrong}"


def test_the_bar_of_the_sample_is_where_it_is_said_to_be() -> None:
    assert luck(14, 20, 0.95) < RARE <= luck(15, 20, 0.95)
    assert luck(12, 20, 0.90) < RARE <= luck(13, 20, 0.90)

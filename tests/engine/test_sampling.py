"""Every sampler changes or restricts what it is there for, on real models in a real child."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.errors import GenerationFailed
from app.core.messages import Role
from app.core.sampling import RANGES
from app.engine.protocol import AnswerPiece, PromptMessage, RequestFailed, Sampling
from tests.engine.conftest import Start
from tests.engine.recorder import GREEDY, Recorder, user

pytestmark = pytest.mark.model

WARM = Sampling(temperature=1.5, seed=7)
BORING = Sampling(temperature=0.3, top_k=200, seed=7)


def answer(recorder: Recorder, sampling: Sampling, max_tokens: int = 40, question: str = "Hello") -> str:
    # Another question first, so that all begin with the same prefix and the same shape of batches.
    recorder.generated(user("something else"), max_tokens=1)
    return recorder.answer(recorder.generated(user(question), sampling=sampling, max_tokens=max_tokens).request_id)


def test_a_seed_repeats_an_answer_the_highest_too(start: Start, small_model: Path) -> None:
    recorder = start(small_model)
    highest = replace(WARM, seed=(1 << 32) - 1)  # llama.cpp takes it for "any"

    assert answer(recorder, WARM) == answer(recorder, WARM) != answer(recorder, highest)
    assert answer(recorder, highest) == answer(recorder, highest)


@pytest.mark.parametrize(
    "narrow", [{"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}, {"temperature": 0.0}, {"temperature": 1e-6, "top_k": 5}]
)
def test_what_leaves_one_token_is_greedy(start: Start, small_model: Path, narrow: dict[str, float]) -> None:
    recorder = start(small_model)

    assert answer(recorder, replace(WARM, **narrow)) == answer(recorder, GREEDY)
    assert answer(recorder, WARM) != answer(recorder, GREEDY)


PENALTIES: list[dict[str, float]] = [
    {"repeat_penalty": 10.0},
    {"frequency_penalty": 10.0},
    {"presence_penalty": 10.0},
]


@pytest.mark.parametrize("penalty", PENALTIES)
def test_penalties_keep_tokens_from_coming_again(start: Start, small_model: Path, penalty: dict[str, float]) -> None:
    recorder = start(small_model)

    def most_often(sampling: Sampling) -> int:
        ended = recorder.generated(user("Hello"), sampling=sampling, max_tokens=200)
        pieces = [event.text for event in recorder.of(ended.request_id) if isinstance(event, AnswerPiece)]
        return max(Counter(piece for piece in pieces if "\ufffd" not in piece).values())

    assert most_often(BORING) > 1
    assert most_often(replace(BORING, penalty_last_n=-1, **penalty)) == 1
    assert most_often(replace(BORING, penalty_last_n=0, **penalty)) > 1


def test_penalties_see_what_stands_before_the_answer(start: Start, thinking_model: Path) -> None:
    """No token of the scripted answer occurs twice, so only what stood before it can be punished."""
    recorder = start(thinking_model)
    text = answer(recorder, GREEDY, 200, "Count!")
    talk = (user("Count!"), PromptMessage(Role.ASSISTANT, text), user("Again!"))
    # All at once: the script's tokens are far ahead of every other.
    punished = replace(GREEDY, repeat_penalty=10.0, frequency_penalty=10.0, presence_penalty=10.0)

    def again(sampling: Sampling) -> str:
        return recorder.answer(recorder.generated(*talk, sampling=sampling, max_tokens=200).request_id)

    assert again(GREEDY) == text
    assert again(replace(punished, penalty_last_n=-1)) != text
    assert again(replace(punished, penalty_last_n=3)) == text


def test_dry_keeps_a_repetition_from_going_on(start: Start, thinking_model: Path) -> None:
    recorder = start(thinking_model)
    text = answer(recorder, GREEDY, 200, "Count!")
    dry = replace(GREEDY, dry_multiplier=50.0, dry_allowed_length=2)

    assert answer(recorder, dry, 200, "Count!") == text
    repeated = answer(recorder, dry, 200, text)
    assert not repeated.startswith(text[:40])
    assert answer(recorder, replace(dry, dry_allowed_length=1000), 200, text) == text
    assert answer(recorder, replace(dry, dry_last_n=1), 200, text) == text


def test_xtc_leaves_out_the_likeliest(start: Start, small_model: Path) -> None:
    recorder = start(small_model)
    cold = Sampling(temperature=1e-6, seed=1)  # the likeliest of what is left

    assert answer(recorder, cold) == answer(recorder, GREEDY)
    assert answer(recorder, replace(cold, xtc_probability=1.0, xtc_threshold=1e-6)) != answer(recorder, GREEDY)
    assert answer(recorder, replace(cold, xtc_probability=1.0, xtc_threshold=0.5)) == answer(recorder, GREEDY)
    assert answer(recorder, replace(cold, xtc_threshold=1e-6)) == answer(recorder, GREEDY)


@pytest.mark.parametrize("name", RANGES)
def test_a_value_that_makes_no_sense_is_refused_in_a_sentence(start: Start, small_model: Path, name: str) -> None:
    recorder = start(small_model)
    limits = RANGES[name]
    bad = limits.low - 1

    ended = recorder.end_of(
        recorder.generate(user("Hello"), sampling=replace(WARM, **{name: int(bad) if limits.is_whole else bad}))
    )

    assert isinstance(ended, RequestFailed)
    assert isinstance(ended.error, GenerationFailed)
    assert str(ended.error).startswith(limits.name)
    assert answer(recorder, WARM, 3)  # the engine goes on

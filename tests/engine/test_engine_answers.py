"""What a real model answers, and how it is stopped."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from app.core.messages import ReasoningEffort, StopReason
from app.engine.protocol import (
    AnswerPiece,
    Generated,
    Loaded,
    Prefilled,
    ReasoningEnded,
    RequestFailed,
    Sampling,
)
from tests.engine.conftest import Start
from tests.engine.recorder import cpu_plan, user
from tests.engine.samples import answer_of

pytestmark = pytest.mark.model


def test_greedy_answers_are_the_same_in_every_process(start: Start, small_model: Path) -> None:
    answers = set()
    for _ in range(2):
        recorder = start(small_model)
        answers.add(recorder.answer(recorder.generated(user("Hello"), max_tokens=24).request_id))

    assert len(answers) == 1
    assert answers != {""}


def test_a_seed_repeats_an_answer_and_another_one_does_not(start: Start, small_model: Path) -> None:
    recorder = start(small_model)

    def answer(seed: int | None) -> str:
        recorder.generated(user("something else"), max_tokens=1)  # so that both begin with the same prefix
        sampling = Sampling(temperature=1.0, top_p=0.95, seed=seed)
        return recorder.answer(recorder.generated(user("Hello"), sampling=sampling, max_tokens=16).request_id)

    assert answer(1) == answer(1) != answer(2)
    assert answer(None) != answer(None)


def test_reasoning_is_told_apart_and_timed(start: Start, thinking_model: Path) -> None:
    recorder = start(thinking_model)

    ended = recorder.generated(user("Count!"), effort=ReasoningEffort.HIGH)

    closed = next(event for event in recorder.of(ended.request_id) if isinstance(event, ReasoningEnded))
    stats = ended.stats
    assert recorder.reasoning(ended.request_id).startswith("Let me think")
    assert recorder.answer(ended.request_id).startswith("## Short answer")
    assert "THINK" not in recorder.answer(ended.request_id) + recorder.reasoning(ended.request_id)
    assert stats.stop_reason is StopReason.STOP
    assert 0 < closed.reasoning_tokens == stats.reasoning_tokens < stats.generated_tokens
    assert 0 < closed.reasoning_ms == stats.reasoning_ms
    assert 0 < stats.prefill_ms <= stats.first_token_ms
    assert stats.tokens_per_second > 0


def test_without_effort_the_same_model_does_not_reason(start: Start, thinking_model: Path) -> None:
    recorder = start(thinking_model)

    ended = recorder.generated(user("Count!"))

    assert recorder.reasoning(ended.request_id) == ""
    assert recorder.answer(ended.request_id).startswith("## Short answer")
    assert ended.stats.reasoning_tokens == 0


def test_the_next_turn_finds_the_very_tokens_of_the_last_answer(start: Start, thinking_model: Path) -> None:
    """The model spells its answer as no tokenizer would: only remembered tokens can match."""
    recorder = start(thinking_model)
    first = recorder.generated(user("Count!"), effort=ReasoningEffort.HIGH)

    talk = (user("Count!"), answer_of(recorder, first), user("Again!"))
    second = recorder.generated(*talk, effort=ReasoningEffort.HIGH)

    assert second.stats.cached_tokens == first.stats.prompt_tokens + first.stats.generated_tokens
    fresh = start(thinking_model)
    alone = fresh.generated(*talk, effort=ReasoningEffort.HIGH)
    assert alone.stats.cached_tokens == 0
    assert answer_of(fresh, alone) == answer_of(recorder, second)


def test_the_context_ends_an_answer_when_it_is_full(start: Start, small_model: Path) -> None:
    recorder = start(small_model, plan=cpu_plan(256))

    ended = recorder.generated(user("Hello"), sampling=Sampling(temperature=1.5, seed=3))

    assert ended.stats.stop_reason is StopReason.LENGTH
    assert ended.stats.prompt_tokens + ended.stats.generated_tokens == 256 + 1


def test_text_that_is_not_unicode_or_holds_zeros_is_answered(start: Start, small_model: Path) -> None:
    recorder = start(small_model)

    whole = recorder.measured(user("a\x00b\ud800c" * 10))

    assert whole.tokens > recorder.measured(user("")).tokens + 20


def test_loading_another_model_takes_the_place_of_the_first(
    start: Start, small_model: Path, thinking_model: Path
) -> None:
    recorder = start(small_model)
    pid = recorder.engine.pid

    recorder.loaded(thinking_model)

    assert recorder.engine.pid == pid
    ended = recorder.generated(user("Count!"))
    assert recorder.answer(ended.request_id).startswith("## Short answer")


def test_words_arrive_while_the_answer_grows(start: Start, thinking_model: Path) -> None:
    recorder = start(thinking_model)

    ended = recorder.generated(user("Count!"))

    pieces = [event for event in recorder.of(ended.request_id) if isinstance(event, AnswerPiece)]
    assert len(pieces) == ended.stats.generated_tokens  # nothing is held back


def test_a_long_prompt_is_left_soon_after_cancel(start: Start, small_model: Path) -> None:
    recorder = start(small_model, plan=cpu_plan(32768))
    words = user("word " * 30_000)

    turn = recorder.generate(words)
    recorder.wait_for(Prefilled, lambda event: event.done_tokens > 0)
    asked = time.monotonic()
    recorder.engine.cancel()
    ended = recorder.end_of(turn)
    elapsed_ms = (time.monotonic() - asked) * 1000

    logging.getLogger(__name__).info("a prompt was left %.0f ms after cancel", elapsed_ms)
    assert isinstance(ended, Generated)
    assert ended.stats.stop_reason is StopReason.CANCELLED
    assert elapsed_ms < 2000  # 300 ms on an idle machine
    again = recorder.generate(words)
    rendered = recorder.wait_for(Prefilled, lambda event: event.request_id == again)
    recorder.engine.cancel()
    recorder.end_of(again)
    assert rendered.done_tokens > 0  # what was read before the cancel is still there


def test_a_load_is_left_soon_after_cancel(start: Start, small_model: Path) -> None:
    recorder = start()
    load = recorder.load(small_model)

    recorder.engine.cancel()

    assert isinstance(recorder.end_of(load), RequestFailed)
    assert isinstance(recorder.loaded(small_model), Loaded)

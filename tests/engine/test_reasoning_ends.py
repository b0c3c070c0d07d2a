"""The reasoning can be ended by a budget or by the person: the closing mark is appended, and the answer follows."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from app.core.messages import ReasoningEffort, ReasoningEnd, Role, StopReason
from app.engine.child.cancellation import Cancellation
from app.engine.child.streaming import Answer, Piece, Reasoning, ReasoningClosed, ThinkMarks, TokenReader
from app.engine.protocol import Generated, Prefilled, PromptMessage, ReasoningEnded, ReasoningPiece, Rendered
from tests.engine.conftest import Start
from tests.engine.recorder import Recorder, user
from tests.engine.samples import answer_of, rewritten

HIGH = ReasoningEffort.HIGH


def closed(recorder: Recorder, ended: Generated) -> ReasoningEnded:
    found = [event for event in recorder.of(ended.request_id) if isinstance(event, ReasoningEnded)]
    assert len(found) == 1
    return found[0]


@pytest.mark.model
@pytest.mark.parametrize("budget", [1, 5])
def test_at_the_budget_the_answer_follows(start: Start, thinking_model: Path, budget: int) -> None:
    recorder = start(thinking_model)
    whole = recorder.generated(user("Count!"), effort=HIGH)

    ended = recorder.generated(user("Count!"), effort=HIGH, think_budget=budget)

    assert closed(recorder, ended).end is ended.stats.reasoning_end is ReasoningEnd.BUDGET
    assert closed(recorder, ended).reasoning_tokens == ended.stats.reasoning_tokens == budget
    assert recorder.reasoning(whole.request_id).startswith(recorder.reasoning(ended.request_id))
    assert recorder.answer(ended.request_id) == recorder.answer(whole.request_id)
    assert ended.stats.stop_reason is StopReason.STOP


@pytest.mark.model
def test_below_the_budget_the_model_ends_its_reasoning_itself(start: Start, thinking_model: Path) -> None:
    recorder = start(thinking_model)

    ended = recorder.generated(user("Count!"), effort=HIGH, think_budget=1000)

    assert closed(recorder, ended).end is ended.stats.reasoning_end is ReasoningEnd.MODEL


def hurry_at_the_first_thought(recorder: Recorder) -> str:
    """Ask for the answer from within the listener, so that not many thoughts can follow the first."""
    asked = threading.Event()
    listen = recorder.engine._listener

    def hurry(event: Any) -> None:
        listen(event)
        if isinstance(event, ReasoningPiece) and not asked.is_set():
            asked.set()
            recorder.engine.answer_now()

    recorder.engine._listener = hurry
    turn = recorder.generate(user("Count!"), effort=HIGH)
    recorder.end_of(turn)
    recorder.engine._listener = listen
    return turn


@pytest.mark.model
def test_asked_for_the_answer_it_follows_without_reading_anything_again(start: Start, thinking_model: Path) -> None:
    recorder = start(thinking_model)
    whole = recorder.generated(user("Count!"), effort=HIGH)

    turn = hurry_at_the_first_thought(recorder)

    ended = recorder.end_of(turn)
    assert isinstance(ended, Generated)
    assert closed(recorder, ended).end is ended.stats.reasoning_end is ReasoningEnd.PERSON
    assert 0 < ended.stats.reasoning_tokens < whole.stats.reasoning_tokens
    assert recorder.answer(turn) == recorder.answer(whole.request_id)
    kinds = [type(event) for event in recorder.of(turn)]
    last_read = len(kinds) - 1 - kinds[::-1].index(Prefilled)
    assert kinds.count(Rendered) == 1
    assert last_read < kinds.index(ReasoningPiece)  # nothing is read after the first thought


@pytest.mark.model
def test_the_next_turn_finds_reasoning_that_was_cut_short(start: Start, thinking_model: Path) -> None:
    recorder = start(thinking_model)
    first = recorder.generated(user("Count!"), effort=HIGH, think_budget=4)

    second = recorder.generated(user("Count!"), answer_of(recorder, first), user("Again!"), effort=HIGH)

    assert second.stats.cached_tokens == first.stats.prompt_tokens + first.stats.generated_tokens
    assert recorder.answer(second.request_id) == recorder.answer(first.request_id)


@pytest.mark.model
def test_a_wish_for_the_answer_is_for_its_own_request_only(start: Start, thinking_model: Path) -> None:
    recorder = start(thinking_model)
    recorder.engine.answer_now()  # idle: means nothing
    recorder.end_of(hurry_at_the_first_thought(recorder))

    ended = recorder.generated(user("Count!"), effort=HIGH)

    assert closed(recorder, ended).end is ReasoningEnd.MODEL


# As they stand in the model's template, where they end what is written for an answer without thinking.
OPENS_AND_CLOSES = b"<think>\\n\\n</think>\\n\\n"
OPENS = b"<think>\\n".rjust(len(OPENS_AND_CLOSES))
TAGS_ARE_TEXT = ((b"<think>", b"<thonk>"), (b"</think>", b"</thonk>"))


@pytest.mark.model
@pytest.mark.parametrize("renamed", [(), TAGS_ARE_TEXT])
def test_where_a_template_opens_the_reasoning_it_is_closed_in_its_own_way(
    start: Start, chatml_model: Path, tmp_path: Path, renamed: tuple[tuple[bytes, bytes], ...]
) -> None:
    """A vocabulary without marks for it gets the tag as text."""
    written = OPENS_AND_CLOSES.replace(b"think", b"thonk") if renamed else OPENS_AND_CLOSES
    recorder = start(rewritten(chatml_model, tmp_path / "thinks.gguf", *renamed, (written, OPENS)))

    ended = recorder.generated(user("Hi"), max_tokens=40, think_budget=6)

    assert closed(recorder, ended).end is ReasoningEnd.BUDGET
    assert recorder.reasoning(ended.request_id)
    assert recorder.answer(ended.request_id)
    assert "think>" not in recorder.answer(ended.request_id) + recorder.reasoning(ended.request_id)


def read(reader: TokenReader, tokens: list[int]) -> list[Piece]:
    return [piece for token in tokens for piece in reader.take(token)]


def reader_of(pieces: dict[int, bytes], marks: ThinkMarks) -> TokenReader:
    return TokenReader(pieces.__getitem__, marks, reasoning=True)


def test_reasoning_cut_in_the_middle_of_a_character_keeps_what_it_says_and_what_made_it_together() -> None:
    reader = reader_of({1: b"caf", 2: b"\xc3", 3: b""}, ThinkMarks(8, 9))

    pieces = read(reader, [1, 2, 9])

    assert pieces == [Reasoning("caf"), Reasoning("\ufffd"), ReasoningClosed()]
    assert reader.spoken[0].text == "caf\ufffd"
    assert reader.spoken[0].tokens == [1, 2]


def test_a_tag_that_the_model_had_begun_itself_closes_once() -> None:
    reader = reader_of({1: b"hm </th", 2: b"</think>", 3: b"Yes"}, ThinkMarks())
    assert ThinkMarks().to_close(lambda tag: [2] if tag == "</think>" else []) == [2]
    assert ThinkMarks(8, 9).to_close(lambda _: []) == [9]

    pieces = read(reader, [1, 2, 3])

    assert pieces == [Reasoning("hm "), Reasoning("</th"), ReasoningClosed(), Answer("Yes")]


def test_a_wish_names_its_request() -> None:
    cancellation = Cancellation()
    cancellation.hurry("second")
    cancellation.begin("first")
    assert not cancellation.hurried
    cancellation.end()
    cancellation.begin("second")
    assert cancellation.hurried
    assert not cancellation.requested
    cancellation.end()
    assert not cancellation.hurried


def test_history_with_reasoning_that_was_cut_short_is_rendered_like_any_other() -> None:
    from app.engine.prompt import Control, Plain, render_mistral

    talk = (user("a"), PromptMessage(Role.ASSISTANT, "b", reasoning="hm"), user("c"))

    segments = render_mistral(talk, HIGH)

    start = segments.index(Control("[THINK]"))
    assert segments[start : start + 5] == (
        Control("[THINK]"),
        Plain("hm"),
        Control("[/THINK]"),
        Plain("b"),
        Control("</s>"),
    )

"""Reasoning that is cut short, prompts that take long to read, and the edge of what the model sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.core.messages import Message, MessageState, ReasoningEnd, Role, StopReason
from app.ui.transcript.answer import AnswerView
from app.ui.transcript.question import QuestionView
from app.ui.transcript.view import TranscriptView
from app.ui.transcript.wording import reading_title, thought_title
from tests.ui.transcript.samples import STATS, answer, growing, question

THIN, UNBROKEN = "\u202f", "\u00a0"

# What the offscreen platform says of every window; it has no window manager to tell sizes to.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def last_answer(view: TranscriptView) -> AnswerView:
    found = view.findChildren(AnswerView)[-1]
    assert isinstance(found, AnswerView)
    return found


def talk(n_turns: int, left_out: int = 0) -> list[Message]:
    messages: list[Message] = []
    for number in range(n_turns):
        asked = replace(question(), id=f"q{number}", role=Role.USER)
        stats = replace(STATS, left_out_messages=left_out if number == n_turns - 1 else 0, context_tokens=4096)
        said = replace(answer(text="Because.", stats=stats), id=f"a{number}", parent_id=f"q{number}")
        messages += [asked, said]
    return messages


def test_the_answer_can_be_asked_for_only_while_the_model_thinks(view: TranscriptView, qtbot: QtBot) -> None:
    view.start_turn(question(), growing())
    view.add_reasoning("Well, ")
    reasoning = last_answer(view).reasoning
    assert reasoning is not None
    assert reasoning.answer_button.isVisible()
    height = last_answer(view).height()

    with qtbot.waitSignal(view.answer_now_requested):
        qtbot.mouseClick(reasoning.answer_button, Qt.MouseButton.LeftButton)
    assert not reasoning.answer_button.isEnabled()
    view.finish_reasoning(2.0, 12, ReasoningEnd.PERSON)

    assert not reasoning.answer_button.isVisible()
    assert reasoning.header.text() == f"Thought for 2.0{THIN}s · 12{THIN}tokens · you asked for the answer"
    assert last_answer(view).height() == height


def test_an_opened_chat_still_says_why_its_reasoning_ended(view: TranscriptView) -> None:
    stats = replace(STATS, reasoning_end=ReasoningEnd.BUDGET)
    view.show_conversation([question(), answer(text="Yes.", reasoning="Hm.", stats=stats)])
    reasoning = last_answer(view).reasoning
    assert reasoning is not None
    assert reasoning.header.text().endswith("budget reached")
    assert not reasoning.answer_button.isVisible()
    assert thought_title(1.0, 5).endswith("tokens")


def test_a_long_prompt_says_how_long_it_still_takes(view: TranscriptView) -> None:
    view.start_turn(question(), growing())
    view.set_prefill(5_400, 12_000, 24.2)
    assert last_answer(view).status.text() == f"Reading… 5,400 of 12,000{UNBROKEN}tokens · 24{THIN}s left"
    assert reading_title(5_400, 12_000) == f"Reading… 45{THIN}%"


def test_a_line_shows_from_where_on_the_model_sees_the_chat(view: TranscriptView) -> None:
    view.show_conversation(talk(3, left_out=2))
    line = view.column.horizon
    first_seen = view.column.view_at(2)
    assert isinstance(first_seen, QuestionView)
    assert line.isVisible()
    assert view.column.view_at(1).geometry().bottom() < line.geometry().top()
    assert line.geometry().bottom() < first_seen.geometry().top()
    assert line.geometry().width() == first_seen.geometry().width()

    view.set_horizon("q2")
    assert view.column.view_at(3).geometry().bottom() < line.geometry().top() < view.column.view_at(4).geometry().top()
    height = view.column.content_height()
    view.set_horizon("")
    assert not line.isVisible()
    assert view.column.content_height() == height - line.height()


def test_where_the_model_sees_everything_there_is_no_line(view: TranscriptView) -> None:
    view.show_conversation(talk(3, left_out=2))
    view.show_conversation(talk(2))
    assert not view.column.horizon.isVisible()


@pytest.fixture
def full() -> Message:
    return answer(text="And so on", stats=replace(STATS, stop_reason=StopReason.LENGTH))


def test_an_answer_that_fills_the_context_offers_to_go_on(view: TranscriptView, qtbot: QtBot, full: Message) -> None:
    view.show_conversation([question(), full])
    shown = last_answer(view)
    assert shown.notice.isVisible()
    assert shown.notice.sentence() == "The context is full, so the answer ends here."

    with qtbot.waitSignal(view.go_on_requested):
        qtbot.mouseClick(shown.notice.button, Qt.MouseButton.LeftButton)


def test_only_the_end_of_a_chat_offers_to_go_on(make_view: Callable[..., TranscriptView], full: Message) -> None:
    view = make_view(height=1200)
    follow_up = replace(question(), id="q9")
    view.show_conversation([question(), full])
    assert last_answer(view).notice.button.isVisible()

    view.start_turn(follow_up, replace(growing(), id="a9"))

    shown = view.column.view_at(1)
    assert isinstance(shown, AnswerView)
    assert shown.notice.isVisible()
    assert not shown.notice.button.isVisible()


def test_a_failure_still_offers_to_try_again(view: TranscriptView, qtbot: QtBot) -> None:
    view.show_conversation([question(), answer(text="", state=MessageState.FAILED, error="It broke.")])
    with qtbot.waitSignal(view.regenerate_requested):
        qtbot.mouseClick(last_answer(view).notice.button, Qt.MouseButton.LeftButton)

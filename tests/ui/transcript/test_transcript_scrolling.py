from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from app.ui.transcript.answer import AnswerView
from app.ui.transcript.question import QuestionView
from app.ui.transcript.view import TranscriptView
from tests.ui.transcript.samples import answer, chat, growing, question

LINES = "A line of text that stands alone.\n\n"

# What the offscreen platform says of every window; it has no window manager to tell sizes to.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def at_end(view: TranscriptView) -> bool:
    bar = view.scroller.verticalScrollBar()
    return bar.value() == bar.maximum()


def test_a_conversation_opens_at_its_end(view: TranscriptView) -> None:
    view.show_conversation(chat(40))
    assert view.scroller.verticalScrollBar().maximum() > 1_000
    assert at_end(view)


def test_only_what_is_near_is_made(view: TranscriptView) -> None:
    view.show_conversation(chat(500))
    assert 0 < len(view.column.made_views()) < 40


def test_every_message_is_there_when_scrolled_to(view: TranscriptView, qtbot: QtBot) -> None:
    view.show_conversation(chat(200))
    view.scroller.verticalScrollBar().setValue(0)
    first = view.column.view_at(0)
    assert isinstance(first, QuestionView)
    assert first.isVisible()
    assert first.mapTo(view, QPoint(0, 0)).y() == 24


def test_making_messages_above_moves_nothing(view: TranscriptView, qtbot: QtBot) -> None:
    view.show_conversation(chat(200))
    bar = view.scroller.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    marked = next(made for made in view.column.made_views() if 0 < made.mapTo(view, QPoint(0, 0)).y() < view.height())
    before = marked.mapTo(view, QPoint(0, 0)).y()
    n_made = len(view.column.made_views())
    qtbot.waitUntil(lambda: len(view.column.made_views()) > n_made)
    assert marked.mapTo(view, QPoint(0, 0)).y() == before


def test_the_end_stays_in_view_while_it_grows(view: TranscriptView) -> None:
    view.show_conversation(chat(10))
    view.start_turn(question("q"), growing("a"))
    for _ in range(20):
        view.add_answer(LINES)
        view.show_frame()
        assert at_end(view)


def test_a_reader_further_up_is_left_alone(view: TranscriptView, qtbot: QtBot) -> None:
    view.show_conversation(chat(10))
    view.start_turn(question("q"), growing("a"))
    view.add_answer(LINES * 10)
    view.show_frame()
    bar = view.scroller.verticalScrollBar()
    bar.setValue(bar.maximum() - 300)
    value = bar.value()
    view.add_answer(LINES * 10)
    view.show_frame()
    assert bar.value() == value
    assert view.scroller.jump_button.isVisible()
    qtbot.mouseClick(view.scroller.jump_button, Qt.MouseButton.LeftButton)
    assert at_end(view)
    assert not view.scroller.jump_button.isVisible()
    view.add_answer(LINES * 10)
    view.show_frame()
    assert at_end(view)


def test_sending_leads_back_to_the_end(view: TranscriptView) -> None:
    view.show_conversation(chat(20))
    view.scroller.verticalScrollBar().setValue(0)
    view.start_turn(question("q"), growing("a"))
    assert at_end(view)


def test_the_column_is_centred_and_not_too_wide(make_view: Callable[..., TranscriptView]) -> None:
    for width in (720, 1_400):
        view = make_view(width)
        view.show_conversation([question(), answer(text="Yes.")])
        shown = view.findChild(AnswerView)
        assert isinstance(shown, AnswerView)
        room = view.scroller.viewport().width()
        assert shown.width() == min(760, room - 48)
        assert abs(shown.x() - (room - shown.width()) // 2) <= 1


def test_resizing_lays_out_anew(view: TranscriptView) -> None:
    view.show_conversation(chat(30, "word " * 60))
    view.resize(500, 600)
    shown = view.column.made_views()[-1]
    assert shown.width() == view.scroller.viewport().width() - 48
    assert at_end(view)


def test_unfolding_keeps_the_header_in_place(view: TranscriptView) -> None:
    view.show_conversation([*chat(20), question("q"), answer("a", "Yes.", reasoning="Hm.\n\n" * 30)])
    shown = view.column.view_at(len(view.column) - 1)
    assert isinstance(shown, AnswerView)
    assert shown.reasoning is not None
    header = shown.reasoning.header
    before = header.mapTo(view, QPoint(0, 0)).y()
    header.click()
    assert header.mapTo(view, QPoint(0, 0)).y() == before


def test_clearing(view: TranscriptView) -> None:
    view.show_conversation(chat(6))
    view.clear()
    assert len(view.column) == 0
    assert view.scroller.verticalScrollBar().maximum() == 0

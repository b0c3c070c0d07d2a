from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from pytestqt.qtbot import QtBot

from app.core.messages import MessageState, StopReason
from app.ui.markdown.stream import render
from app.ui.theme import DARK
from app.ui.transcript.answer import AnswerView
from app.ui.transcript.view import TranscriptView
from app.ui.transcript.wording import thought_title
from tests.ui.transcript.samples import STATS, answer, growing, question

THIN = "\u202f"
TEXT = "# Sky\n\nBlue light **scatters** more, as $\\lambda^{-4}$.\n\n```python\nprint('blue')\n```\n\nDone."

# What the offscreen platform says of every window; it has no window manager to tell sizes to.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def last_answer(view: TranscriptView) -> AnswerView:
    found = view.findChildren(AnswerView)[-1]
    assert isinstance(found, AnswerView)
    return found


@pytest.fixture
def announcements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    said: list[str] = []
    monkeypatch.setattr(QAccessible, "updateAccessibility", lambda event: said.append(event.message()))
    return said


def start(view: TranscriptView) -> AnswerView:
    view.start_turn(question(), growing())
    return last_answer(view)


def test_a_turn_from_reading_to_the_end(view: TranscriptView, announcements: list[str]) -> None:
    shown = start(view)
    assert shown.status.text() == "Reading…"
    view.set_prefill(450, 1_000)
    assert shown.status.text() == f"Reading… 45{THIN}%"
    view.set_settings("reasoning_effort: high")
    view.add_reasoning("It is about ")
    view.add_reasoning("scattering.")
    assert shown.reasoning is not None
    assert shown.reasoning.header.text() == "Thinking…"
    assert not shown.status.isVisible()
    view.finish_reasoning(12.3, 840)
    assert shown.reasoning.header.text() == f"Thought for 12{THIN}s · 840{THIN}tokens"
    for start_at in range(0, len(TEXT), 7):
        view.add_answer(TEXT[start_at : start_at + 7])
        view.show_frame()
    view.finish_turn(answer(text=TEXT, reasoning="It is about scattering.", stats=STATS))
    assert shown.body.pieces() == render(TEXT)
    assert announcements == ["The answer is complete."]
    assert shown.accessibleName() == f"Answer: {TEXT}"
    line = f"1.2k{THIN}tokens · 34{THIN}tokens/s · first after 0.4{THIN}s"
    assert shown.footer.stats_text() == line
    assert "reasoning_effort: high" in shown.reasoning.header.toolTip()


def test_text_appears_by_itself(view: TranscriptView, qtbot: QtBot) -> None:
    shown = start(view)
    view.add_answer("Hello")
    qtbot.waitUntil(lambda: [pane.plain_text() for pane in shown.panes()] == ["Hello"])


def test_the_thinking_time_runs(view: TranscriptView, qtbot: QtBot) -> None:
    shown = start(view)
    view.add_reasoning("Hm.")
    assert shown.reasoning is not None
    header = shown.reasoning.header
    qtbot.waitUntil(lambda: header.text() == f"Thinking… 1{THIN}s", timeout=4_000)
    view.add_answer("Now")
    assert header.text().startswith("Thought for")


def test_reasoning_unfolds_by_mouse_and_keyboard(view: TranscriptView, qtbot: QtBot) -> None:
    view.show_conversation([question(), answer(text="Yes.", reasoning="Because **so**.", stats=STATS)])
    shown = last_answer(view)
    assert shown.reasoning is not None
    header, body = shown.reasoning.header, shown.reasoning.body
    assert not body.isVisible()
    assert header.accessibleName().endswith("folded")
    qtbot.mouseClick(header, Qt.MouseButton.LeftButton, pos=header.rect().center() / 8)
    assert body.isVisible()
    assert body.panes()[0].plain_text() == "Because so."
    qtbot.keyClick(header, Qt.Key.Key_Space)
    assert not body.isVisible()


def test_unfolded_reasoning_follows_the_stream(view: TranscriptView) -> None:
    shown = start(view)
    view.add_reasoning("First. ")
    assert shown.reasoning is not None
    shown.reasoning.header.setChecked(True)
    view.add_reasoning("Second.")
    view.show_frame()
    assert shown.reasoning.body.panes()[0].plain_text() == "First. Second."


def test_a_growing_answer_goes_on_where_it_was(view: TranscriptView) -> None:
    view.show_conversation([question(), growing(text="Half of ", reasoning="Hm.")])
    view.add_answer("it.")
    view.show_frame()
    assert [pane.plain_text() for pane in last_answer(view).panes()] == ["Half of it."]


def test_a_turn_on_a_shown_question_does_not_show_it_twice(view: TranscriptView) -> None:
    view.show_conversation([question()])
    view.start_turn(question(), growing())
    assert len(view.column) == 2


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (MessageState.STOPPED, "Stopped"),
        (MessageState.INTERRUPTED, "The program ended while this was written."),
        (MessageState.COMPLETE, ""),
    ],
)
def test_how_an_answer_ended_is_said(view: TranscriptView, state: MessageState, line: str) -> None:
    view.show_conversation([question(), answer(text="Half", state=state)])
    status = last_answer(view).status
    assert status.text() == line
    assert status.isVisible() == bool(line)


def test_a_full_context_is_said(view: TranscriptView) -> None:
    stats = replace(STATS, stop_reason=StopReason.LENGTH)
    view.show_conversation([question(), answer(text="Half", stats=stats)])
    assert last_answer(view).notice.sentence() == "The context is full, so the answer ends here."


def test_stopping_is_announced(view: TranscriptView, announcements: list[str]) -> None:
    start(view)
    view.add_answer("Half")
    view.finish_turn(answer(text="Half", state=MessageState.STOPPED))
    assert announcements == ["The answer was stopped."]


def test_a_failure_stands_in_place_with_a_button(view: TranscriptView, qtbot: QtBot, announcements: list[str]) -> None:
    shown = start(view)
    view.add_answer("Half")
    view.fail_turn(answer(text="Half"), "The model ran out of memory.")
    assert shown.notice.isVisible()
    assert shown.notice.sentence() == "The model ran out of memory."
    assert [pane.plain_text() for pane in shown.panes()] == ["Half"]
    assert shown.notice.button.text() == "Try again"
    with qtbot.waitSignal(view.regenerate_requested) as asked:
        qtbot.mouseClick(shown.notice.button, Qt.MouseButton.LeftButton)
    assert asked.args == ["a1"]
    assert announcements == ["The model ran out of memory."]


def test_copy_gives_markdown(view: TranscriptView, qtbot: QtBot) -> None:
    view.show_conversation([question(), answer(text=TEXT)])
    qtbot.mouseClick(last_answer(view).copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == TEXT


def test_answering_again_is_asked_for(view: TranscriptView, qtbot: QtBot) -> None:
    view.show_conversation([question(), answer(text="Yes")])
    with qtbot.waitSignal(view.regenerate_requested) as asked:
        last_answer(view).again_button.click()
    assert asked.args == ["a1"]


def test_actions_show_on_hover_and_focus(view: TranscriptView, qtbot: QtBot) -> None:
    view.show_conversation([question(), answer(text="Yes", stats=STATS)])
    shown = last_answer(view)
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    assert not shown.footer.is_revealed()
    assert shown.copy_button.hushed
    shown.again_button.setFocus(Qt.FocusReason.TabFocusReason)
    assert shown.footer.is_revealed()
    assert not shown.copy_button.hushed
    view.setFocus()
    assert not shown.footer.is_revealed()
    shown.footer.set_hovered(True)
    assert shown.footer.is_revealed()


def test_nothing_moves_when_an_answer_ends(view: TranscriptView) -> None:
    shown = start(view)
    view.add_answer("A short answer.")
    view.show_frame()
    before = shown.height()
    view.finish_turn(answer(text="A short answer.", stats=STATS))
    assert shown.height() == before


def test_colours_change_while_an_answer_grows(view: TranscriptView) -> None:
    shown = start(view)
    view.add_answer(TEXT[:60])
    view.show_frame()
    view.set_colors(DARK)
    view.add_answer(TEXT[60:])
    view.finish_turn(answer(text=TEXT))
    assert shown.body.pieces() == render(TEXT)
    pixel = shown.panes()[0].grab().toImage()
    brightest = max(pixel.pixelColor(x, pixel.height() // 2).lightness() for x in range(pixel.width()))
    assert brightest > 200


def test_events_without_a_turn_are_harmless(view: TranscriptView) -> None:
    view.add_answer("late")
    view.set_prefill(1, 2)
    view.finish_turn(answer(text="late"))
    assert len(view.column) == 0


@pytest.mark.parametrize(("seconds", "words"), [(0.06, "0.1"), (0.94, "0.9"), (9.94, "9.9"), (9.96, "10")])
def test_a_short_thought_is_timed_in_tenths(seconds: float, words: str) -> None:
    assert thought_title(seconds, 27) == f"Thought for {words}{THIN}s · 27{THIN}tokens"

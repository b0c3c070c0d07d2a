from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.ui.theme import DARK
from app.ui.transcript.column import MessageView
from app.ui.transcript.pager import Pager
from app.ui.transcript.view import TranscriptView
from tests.ui.transcript.samples import answer, chat, growing, question

VERSIONS = {"a2": ("a1", "a2", "a3")}

# What the offscreen platform says of every window; it has no window manager to tell sizes to.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def view_of(view: TranscriptView, message_id: str) -> MessageView:
    return view.column.view_at(view.column.index_of(message_id))


def pager_of(view: TranscriptView, message_id: str) -> Pager:
    return view_of(view, message_id).footer.pager


def top_of(view: TranscriptView, widget: QWidget) -> int:
    return widget.mapTo(view, widget.rect().topLeft()).y()


@pytest.fixture
def announcements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    said: list[str] = []
    monkeypatch.setattr(QAccessible, "updateAccessibility", lambda event: said.append(event.message()))
    return said


def test_the_pager_says_where_one_is(view: TranscriptView) -> None:
    view.show_conversation([question(), answer("a2", "Because.")], VERSIONS)
    pager = pager_of(view, "a2")
    assert pager.isVisible()
    assert pager.label.text() == "2 / 3"
    assert pager.label.accessibleName() == "Version 2 of 3"
    assert pager.previous_button.accessibleName() == "Previous version"
    assert pager.next_button.accessibleName() == "Next version"
    assert pager.next_button.accessibleDescription() == "Version 2 of 3"
    assert not view_of(view, "a2").footer.is_revealed(), "it needs no pointer"
    assert not pager_of(view, "q1").isVisible(), "the question has no other version"


def test_the_pager_asks_for_the_version_beside(view: TranscriptView, qtbot: QtBot) -> None:
    view.show_conversation([question("q2"), answer("a2", "Because.")], VERSIONS | {"q2": ("q1", "q2")})
    for button, wanted in (
        (pager_of(view, "a2").previous_button, "a1"),
        (pager_of(view, "a2").next_button, "a3"),
        (pager_of(view, "q2").previous_button, "q1"),
    ):
        with qtbot.waitSignal(view.version_requested) as asked:
            qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert asked.args == [wanted]
    assert not pager_of(view, "q2").next_button.isEnabled()


def test_the_first_and_the_last_version_are_the_ends(view: TranscriptView) -> None:
    view.show_conversation([question(), answer("a1", "Because.")], {"a1": ("a1", "a2")})
    assert not pager_of(view, "a1").previous_button.isEnabled()
    assert pager_of(view, "a1").next_button.isEnabled()


def test_a_version_that_was_just_made_gets_its_pager(view: TranscriptView) -> None:
    view.show_conversation([])
    view.start_turn(question(), growing("a2"))
    assert not pager_of(view, "a2").isVisible()
    view.set_versions({"a2": ("a1", "a2")})
    assert pager_of(view, "a2").label.text() == "2 / 2"
    view.add_answer("Because.")
    view.finish_turn(answer("a2", "Because."))
    assert pager_of(view, "a2").isVisible()
    view.show_conversation([question("other")])
    assert not pager_of(view, "other").isVisible()


def test_a_chat_without_versions_shows_none(view: TranscriptView) -> None:
    view.show_conversation([question(), answer("a2", "Because.")], VERSIONS)
    view.show_conversation([question(), answer("a2", "Because.")])
    assert not pager_of(view, "a2").isVisible()


@pytest.mark.parametrize("length", [1, 8])
def test_the_pager_stays_under_the_pointer(view: TranscriptView, qtbot: QtBot, length: int) -> None:
    """Although the version is longer or shorter than the one before, and the end of the chat is another."""
    messages = chat(24)
    view.show_conversation(messages, {"a9": ("a9", "x9")})
    view.scroller.verticalScrollBar().setValue(view_of(view, "a9").geometry().bottom() - 300)
    button = pager_of(view, "a9").next_button
    before = top_of(view, button)
    assert 0 < before < view.height()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    other = [*messages[:9], answer("x9", "A line.\n\n" * 12 * length), *chat(12)]
    view.show_conversation(other, {"x9": ("a9", "x9")})
    assert abs(top_of(view, pager_of(view, "x9").next_button) - before) <= 1
    assert not pager_of(view, "x9").has_focus, "the pointer does not take the keyboard"


def test_the_keyboard_stays_at_the_pager(view: TranscriptView, qtbot: QtBot, announcements: list[str]) -> None:
    view.show_conversation([question(), answer("a1", "One.")], {"a1": ("a1", "a2", "a3")})
    view.activateWindow()
    button = pager_of(view, "a1").next_button
    button.setFocus(Qt.FocusReason.TabFocusReason)
    for shown, focused in (("a2", "next_button"), ("a3", "previous_button")):
        with qtbot.waitSignal(view.version_requested) as asked:
            qtbot.keyClick(button, Qt.Key.Key_Space)
        assert asked.args == [shown]
        view.show_conversation([question(), answer(shown, "Other.")], {shown: ("a1", "a2", "a3")})
        button = getattr(pager_of(view, shown), focused)
        assert button.hasFocus()
    assert announcements == ["Version 2 of 3", "Version 3 of 3"]


def test_what_was_not_asked_for_shows_the_end(view: TranscriptView, qtbot: QtBot) -> None:
    messages = chat(24)
    view.show_conversation(messages, {"a1": ("a1", "x1")})
    pager_of(view, "a1").next_button.click()
    view.show_conversation(messages)  # refused, and later opened again
    bar = view.scroller.verticalScrollBar()
    assert bar.value() == bar.maximum()


def test_the_theme_reaches_the_pager(view: TranscriptView) -> None:
    view.show_conversation([question(), answer("a2", "Because.")], VERSIONS)
    icon = pager_of(view, "a2").next_button.icon().cacheKey()
    view.set_colors(DARK)
    assert pager_of(view, "a2").next_button.icon().cacheKey() != icon

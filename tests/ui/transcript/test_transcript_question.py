from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from app.core.messages import Picture
from app.ui.transcript.pictures import PictureViewer, Thumbnail
from app.ui.transcript.question import QuestionView
from app.ui.transcript.view import TranscriptView
from tests.ui.transcript.samples import answer, question

# What the offscreen platform says of every window; it has no window manager to tell sizes to.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")


def shown_question(view: TranscriptView, text: str = "Why?", **more: object) -> QuestionView:
    view.show_conversation([question(text=text, **more), answer(text="Because.")])
    found = view.findChild(QuestionView)
    assert isinstance(found, QuestionView)
    return found


def test_a_question_is_shown_as_it_was_typed(view: TranscriptView) -> None:
    card = shown_question(view, "a  *b*\n  <i>c</i> [d](http://e)")
    assert card.panes()[0].plain_text() == "a  *b*\n  <i>c</i> [d](http://e)"
    assert card.accessibleName().startswith("You: a  *b*")


def test_editing_saves_and_sends(view: TranscriptView, qtbot: QtBot) -> None:
    card = shown_question(view)
    card.edit_button.click()
    assert card.editor is not None
    assert not card.panes()[0].isVisible()
    card.editor.editor.setPlainText("Why not?")
    with qtbot.waitSignal(view.edit_requested) as asked:
        qtbot.mouseClick(card.editor.save_button, Qt.MouseButton.LeftButton)
    assert asked.args == ["q1", "Why not?"]


def test_what_was_changed_is_not_lost_when_it_can_not_be_sent(view: TranscriptView, qtbot: QtBot) -> None:
    card = shown_question(view)
    card.start_editing()
    assert card.editor is not None
    card.editor.editor.setPlainText("Why not?")
    card.editor.save_button.click()  # nothing follows: an answer is being written
    assert card.editor is not None
    assert card.editor.editor.toPlainText() == "Why not?"
    view.show_conversation([])  # the new branch
    qtbot.waitUntil(lambda: view.findChild(QuestionView) is None)


def test_saving_an_unchanged_text_just_closes_the_editor(view: TranscriptView, qtbot: QtBot) -> None:
    card = shown_question(view)
    card.start_editing()
    assert card.editor is not None
    with qtbot.assertNotEmitted(view.edit_requested):
        card.editor.save_button.click()
    assert card.editor is None


def test_editing_with_the_keyboard(view: TranscriptView, qtbot: QtBot) -> None:
    card = shown_question(view)
    card.start_editing()
    assert card.editor is not None
    qtbot.keyClicks(card.editor.editor, " now")
    with qtbot.waitSignal(view.edit_requested) as asked:
        qtbot.keyClick(card.editor.editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert asked.args == ["q1", "Why? now"]


def test_escape_leaves_the_text_alone(view: TranscriptView, qtbot: QtBot) -> None:
    card = shown_question(view)
    card.start_editing()
    assert card.editor is not None
    card.editor.editor.setPlainText("Something else")
    with qtbot.assertNotEmitted(view.edit_requested):
        qtbot.keyClick(card.editor.editor, Qt.Key.Key_Escape)
    assert card.editor is None
    assert card.panes()[0].isVisible()
    assert card.panes()[0].plain_text() == "Why?"


def test_an_empty_question_can_not_be_sent(view: TranscriptView) -> None:
    card = shown_question(view)
    card.start_editing()
    assert card.editor is not None
    card.editor.editor.setPlainText("  \n")
    assert not card.editor.save_button.isEnabled()


def test_a_long_question_is_folded(view: TranscriptView, qtbot: QtBot) -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    card = shown_question(view, text)
    before = card.height()
    assert card.panes()[0].plain_text().endswith("line 11…")
    card.more_button.click()
    assert card.panes()[0].plain_text() == text
    assert card.height() > 3 * before


def test_a_long_question_is_edited_whole(view: TranscriptView) -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    card = shown_question(view, text)
    card.start_editing()
    assert card.editor is not None
    assert card.editor.editor.toPlainText() == text
    assert not card.more_button.isVisible()
    card.stop_editing()
    assert card.more_button.isVisible()
    card.more_button.click()
    card.start_editing()
    card.stop_editing()
    assert not card.more_button.isVisible()


def test_copying_a_question(view: TranscriptView) -> None:
    card = shown_question(view, "a  b")
    card.copy_button.click()
    assert QGuiApplication.clipboard().text() == "a  b"


def test_a_picture_is_a_thumbnail_and_opens(view: TranscriptView, qtbot: QtBot, picture: Picture) -> None:
    card = shown_question(view, pictures=(picture,))
    thumbnail = card.findChild(Thumbnail)
    assert isinstance(thumbnail, Thumbnail)
    assert (thumbnail.width(), thumbnail.height()) == (240, 160)
    height = card.height()
    qtbot.waitUntil(thumbnail.is_loaded)
    assert card.height() == height
    thumbnail.click()
    viewer = view.window().findChild(PictureViewer)
    assert isinstance(viewer, PictureViewer)
    assert viewer.isVisible()
    with qtbot.waitSignal(viewer.finished):
        qtbot.keyClick(viewer, Qt.Key.Key_Escape)


def test_a_missing_picture_is_said(view: TranscriptView, qtbot: QtBot, picture: Picture, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"not a picture")
    card = shown_question(view, pictures=(picture,))
    thumbnail = card.findChild(Thumbnail)
    assert isinstance(thumbnail, Thumbnail)
    qtbot.waitUntil(thumbnail.is_broken)
    assert not thumbnail.is_loaded()

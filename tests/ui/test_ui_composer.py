from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication, QImage, QInputMethodEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.events import BugFound, PictureAttached, PictureRefused, PromptRendered, SendRefused, TurnStarted
from app.core.messages import ReasoningEffort
from app.ui import message_input
from app.ui.composer import Composer
from app.ui.drops import to_png
from app.ui.message_input import MessageInput
from app.ui.session import ModelInUse
from tests.ui.scenery import Stage, answer, picture, question

Key = Qt.Key


@pytest.fixture
def composer(stage: Stage) -> Composer:
    return stage.window.chat.composer


@pytest.fixture
def box(composer: Composer) -> MessageInput:
    composer.input.setFocus()
    return composer.input


@pytest.fixture(autouse=True)
def empty_clipboard(qapp: QApplication) -> Iterator[None]:
    yield
    QGuiApplication.clipboard().clear()


def compose(box: MessageInput, preedit: str, commit: str = "") -> None:
    event = QInputMethodEvent(preedit, [])
    if commit:
        event.setCommitString(commit)
    QApplication.sendEvent(box, event)


# --- keys ---


def test_enter_sends_what_is_written(stage: Stage, box: MessageInput, qtbot: QtBot) -> None:
    qtbot.keyClicks(box, "Hello")
    qtbot.keyClick(box, Key.Key_Return)
    assert stage.service.asked("send") == [(None, "Hello", (), ReasoningEffort.NONE)]


def test_enter_on_the_number_pad_sends_too(stage: Stage, box: MessageInput, qtbot: QtBot) -> None:
    qtbot.keyClicks(box, "Hello")
    qtbot.keyClick(box, Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier)
    assert len(stage.service.asked("send")) == 1


def test_shift_enter_breaks_the_line(stage: Stage, box: MessageInput, qtbot: QtBot) -> None:
    qtbot.keyClicks(box, "one")
    qtbot.keyClick(box, Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClicks(box, "two")
    assert box.toPlainText() == "one\ntwo"
    assert stage.service.asked("send") == []


def test_enter_never_sends_during_a_composition(stage: Stage, box: MessageInput, qtbot: QtBot) -> None:
    qtbot.keyClicks(box, "ok ")
    compose(box, "にほん")
    qtbot.keyClick(box, Key.Key_Return)
    assert stage.service.asked("send") == []
    assert "\n" not in box.toPlainText()


def test_the_enter_that_accepts_a_composition_does_not_send(
    stage: Stage, box: MessageInput, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_input, "_AFTER_COMPOSITION_MS", 60_000)
    compose(box, "にほん")
    compose(box, "", commit="日本")
    qtbot.keyClick(box, Key.Key_Return)  # delivered once more by some input methods
    assert stage.service.asked("send") == []
    monkeypatch.setattr(message_input, "_AFTER_COMPOSITION_MS", 0)
    qtbot.keyClick(box, Key.Key_Return)
    assert stage.service.asked("send") == [(None, "日本", (), ReasoningEffort.NONE)]


def test_a_composition_given_up_by_leaving_does_not_block_sending(
    stage: Stage, box: MessageInput, qtbot: QtBot
) -> None:
    compose(box, "に")
    stage.window.sidebar.search.setFocus()
    box.setFocus()
    qtbot.keyClicks(box, "Hi")
    qtbot.waitUntil(lambda: not box.is_composing)
    qtbot.keyClick(box, Key.Key_Return)
    assert len(stage.service.asked("send")) == 1


def test_the_input_grows_with_its_text_up_to_a_limit(box: MessageInput) -> None:
    one_line = box.height()
    box.setPlainText("a\nb\nc")
    three_lines = box.height()
    box.setPlainText("\n" * 50)
    many_lines = box.height()
    assert one_line < three_lines < many_lines < 300
    box.clear()
    assert box.height() == one_line


# --- sending ---


def test_nothing_can_be_sent_while_there_is_nothing(
    stage: Stage, composer: Composer, box: MessageInput, qtbot: QtBot
) -> None:
    assert not composer.button.isEnabled()
    qtbot.keyClicks(box, "   ")
    assert not composer.button.isEnabled()
    qtbot.keyClick(box, Key.Key_Return)
    assert stage.service.asked("send") == []


def test_the_message_stays_until_it_is_saved_and_the_input_keeps_focus(
    stage: Stage, composer: Composer, box: MessageInput, qtbot: QtBot
) -> None:
    box.setPlainText("Why?")
    qtbot.mouseClick(composer.button, Qt.MouseButton.LeftButton)
    assert box.toPlainText() == "Why?"
    assert not composer.button.isEnabled()
    stage.show(TurnStarted("a1", question("Why?"), answer()))
    assert box.toPlainText() == ""
    assert box.hasFocus()


def test_a_refused_message_is_not_lost(stage: Stage, composer: Composer, box: MessageInput) -> None:
    box.setPlainText("Why?")
    composer.submit()
    stage.show(SendRefused("The disk is full. Free some space and send it again."))
    assert box.toPlainText() == "Why?"
    assert composer.button.isEnabled()
    assert stage.window.notices.sentence("refused").startswith("The disk is full")


def test_a_message_that_met_a_bug_can_be_sent_again(stage: Stage, composer: Composer, box: MessageInput) -> None:
    box.setPlainText("Why?")
    composer.submit()
    stage.show(BugFound("KeyError: 'x'", "Traceback ..."))
    assert box.toPlainText() == "Why?"
    assert composer.button.isEnabled()


def test_a_sent_message_is_no_draft_when_the_person_comes_back(
    stage: Stage, composer: Composer, box: MessageInput
) -> None:
    commands = stage.shell.presenter.commands
    commands.open_chat("c1")
    box.setPlainText("Why?")
    composer.submit()
    commands.open_chat("c2")
    box.setPlainText("Elsewhere")
    stage.show(TurnStarted("a1", question("Why?"), answer()))
    assert box.toPlainText() == "Elsewhere"
    commands.open_chat("c1")
    assert box.toPlainText() == ""


def test_what_is_typed_after_sending_is_kept(stage: Stage, composer: Composer, box: MessageInput) -> None:
    box.setPlainText("Why?")
    composer.submit()
    box.setPlainText("Why? And how?")
    stage.show(TurnStarted("a1", question("Why?"), answer()))
    assert box.toPlainText() == "Why? And how?"


def test_send_becomes_stop_while_the_model_answers(
    stage: Stage, composer: Composer, box: MessageInput, qtbot: QtBot
) -> None:
    box.setPlainText("Why?")
    composer.submit()
    stage.show(TurnStarted("a1", question("Why?"), answer()))
    assert composer.button.accessibleName().startswith("Stop")
    qtbot.keyClicks(box, "Next")
    qtbot.keyClick(box, Key.Key_Return)
    assert len(stage.service.asked("send")) == 1
    assert "still answering" in composer.hint.text()
    qtbot.mouseClick(composer.button, Qt.MouseButton.LeftButton)
    assert stage.service.asked("stop") == [()]
    assert box.toPlainText() == "Next"


def test_escape_stops(stage: Stage, box: MessageInput, qtbot: QtBot) -> None:
    stage.session.shown_id = "c1"
    stage.show(TurnStarted("a1", question(), answer()))
    qtbot.keyClick(box, Key.Key_Escape)
    assert stage.service.asked("stop") == [()]


def test_escape_stops_nothing_while_nothing_runs(stage: Stage, box: MessageInput, qtbot: QtBot) -> None:
    qtbot.keyClick(box, Key.Key_Escape)
    assert stage.service.asked("stop") == []


# --- fast and think ---


def test_ctrl_t_switches_and_the_next_message_says_so(
    stage: Stage, composer: Composer, box: MessageInput, qtbot: QtBot
) -> None:
    qtbot.keyClick(box, Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert composer.effort is ReasoningEffort.HIGH
    box.setPlainText("Why?")
    composer.submit()
    assert stage.service.asked("send")[0][3] is ReasoningEffort.HIGH
    assert stage.service.asked("change_settings")[-1][0].effort is ReasoningEffort.HIGH


def test_what_the_last_prompt_really_contained_stands_beside_the_switch(stage: Stage, composer: Composer) -> None:
    stage.session.shown_id = "c1"
    settings = '[MODEL_SETTINGS]{"reasoning_effort": "high"}[/MODEL_SETTINGS]'
    stage.show(TurnStarted("a1", question(), answer()), PromptRendered("a1", settings, 120))
    assert composer.proof.text() == "prompt said: reasoning_effort high"
    assert settings in composer.proof.toolTip()
    assert not composer.proof.isHidden()
    composer.show_draft("another chat")
    assert composer.proof.isHidden()


def test_a_model_without_the_switch_has_it_off(composer: Composer) -> None:
    composer.switch.set_known(known=False)
    composer.switch.toggle()
    assert composer.effort is ReasoningEffort.NONE
    assert "can’t be told" in composer.switch.toolTip()


# --- pictures ---


def attach(stage: Stage, name: str = "plot.png") -> str:
    given = QMimeData()
    given.setUrls([QUrl.fromLocalFile(f"/pictures/{name}")])
    stage.window.chat.composer.input.insertFromMimeData(given)
    return str(stage.service.asked("attach_file")[-1][0])


def test_a_copied_file_is_attached_and_shows_its_cost(stage: Stage, composer: Composer) -> None:
    request_id = attach(stage)
    assert stage.service.asked("attach_file") == [(request_id, Path("/pictures/plot.png"))]
    assert "Reading" in composer.tray.chips()[0].accessibleName()
    thumbnail = to_png(QImage(40, 30, QImage.Format.Format_RGB32))
    stage.show(PictureAttached(request_id, picture(), thumbnail))
    words = composer.tray.chips()[0].accessibleName()
    assert "1540" in words
    assert "3,080\u00a0tokens" in words


def test_a_picture_alone_can_be_sent_once_it_is_read(stage: Stage, composer: Composer) -> None:
    request_id = attach(stage)
    assert not composer.button.isEnabled()
    stage.show(PictureAttached(request_id, picture(), b""))
    assert composer.button.isEnabled()
    composer.submit()
    assert stage.service.asked("send") == [(None, "", (picture(),), ReasoningEffort.NONE)]


def test_a_message_waits_for_its_picture(stage: Stage, composer: Composer, box: MessageInput) -> None:
    box.setPlainText("What is this?")
    attach(stage)
    composer.submit()
    assert stage.service.asked("send") == []
    assert composer.hint.text() == "A picture is still being read."


def test_a_refused_picture_says_why_where_it_stands(stage: Stage, composer: Composer) -> None:
    request_id = attach(stage, "notes.pdf")
    stage.show(PictureRefused(request_id, "notes.pdf", "“notes.pdf” is not a picture."))
    assert composer.tray.chips()[0].accessibleName() == "“notes.pdf” is not a picture."
    assert not composer.button.isEnabled()


def test_a_picture_can_be_removed(stage: Stage, composer: Composer, qtbot: QtBot) -> None:
    request_id = attach(stage)
    stage.show(PictureAttached(request_id, picture(), b""))
    qtbot.mouseClick(composer.tray.chips()[0].remove_button, Qt.MouseButton.LeftButton)
    assert composer.draft.pictures == ()
    assert not composer.tray.isVisible()


def test_a_pasted_image_is_encoded_and_attached(stage: Stage, box: MessageInput, qtbot: QtBot) -> None:
    image = QImage(8, 6, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    QGuiApplication.clipboard().setImage(image)
    qtbot.keyClick(box, Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: bool(stage.service.asked("attach_bytes")))
    _, name, content = stage.service.asked("attach_bytes")[0]
    assert name == "Pasted picture.png"
    assert QImage.fromData(content).size() == image.size()


def test_an_encoded_image_is_taken_as_it_is(stage: Stage, box: MessageInput) -> None:
    content = to_png(QImage(8, 6, QImage.Format.Format_RGB32))
    mime = QMimeData()
    mime.setData("image/png", content)
    box.insertFromMimeData(mime)
    assert stage.service.asked("attach_bytes")[0][1:] == ("Pasted picture.png", content)


def test_text_beside_an_image_is_pasted_as_text(stage: Stage, box: MessageInput) -> None:
    mime = QMimeData()
    mime.setText("A1\tB1")
    mime.setImageData(QImage(8, 6, QImage.Format.Format_RGB32))
    box.insertFromMimeData(mime)
    assert box.toPlainText() == "A1\tB1"
    assert stage.service.asked("attach_bytes") == []


def test_pictures_for_a_model_that_sees_none_are_pointed_out(stage: Stage, composer: Composer) -> None:
    composer.set_sees_pictures(sees=False)
    stage.show(PictureAttached(attach(stage), picture(), b""))
    assert composer.hint.text() == "The model in use can’t see pictures."


def test_each_chat_keeps_its_own_draft(stage: Stage, composer: Composer, box: MessageInput) -> None:
    box.setPlainText("for later")
    request_id = attach(stage)
    composer.show_draft("c1")
    assert (box.toPlainText(), composer.tray.chips()) == ("", []) or not composer.tray.isVisible()
    stage.show(PictureAttached(request_id, picture(), b""))
    assert composer.draft.pictures == ()
    composer.show_draft("")
    assert box.toPlainText() == "for later"
    assert composer.draft.pictures == (picture(),)


# --- dropping on the window ---


def drop(stage: Stage, mime: QMimeData) -> bool:
    """Drag `mime` in and drop it; say whether the window showed where to drop."""
    window = stage.window
    actions, button, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(300, 300), actions, mime, button, keys)
    QApplication.sendEvent(window, enter)
    hinted = window.hint.isVisible()
    if enter.isAccepted():
        QApplication.sendEvent(window, QDropEvent(QPointF(300, 300), actions, mime, button, keys))
    assert not window.hint.isVisible()
    return hinted


def files(*names: str) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(f"/data/{name}") for name in names])
    return mime


def test_pictures_dropped_anywhere_are_attached(stage: Stage) -> None:
    assert drop(stage, files("a b.png", "ü.jpg"))
    paths = [call[1] for call in stage.service.asked("attach_file")]
    assert paths == [Path("/data/a b.png"), Path("/data/ü.jpg")]


def test_a_dropped_model_file_is_opened(stage: Stage) -> None:
    drop(stage, files("Model.GGUF"))
    assert stage.service.asked("open_model")[-1][0] == Path("/data/Model.GGUF")
    assert stage.service.asked("attach_file") == []


def test_a_dropped_export_is_imported(stage: Stage) -> None:
    drop(stage, files("Chat.JSON", "plot.png"))
    assert stage.service.asked("import_conversation") == [(Path("/data/Chat.JSON"),)]
    assert len(stage.service.asked("attach_file")) == 1


def test_a_projector_dropped_with_its_model_goes_along(stage: Stage) -> None:
    drop(stage, files("mmproj-F16.gguf", "model.gguf"))
    assert stage.service.asked("open_model")[-1][:2] == (Path("/data/model.gguf"), Path("/data/mmproj-F16.gguf"))


def test_a_projector_alone_joins_the_model_in_use(stage: Stage) -> None:
    before = len(stage.service.asked("open_model"))
    drop(stage, files("mmproj-F16.gguf"))
    assert len(stage.service.asked("open_model")) == before
    assert "Open a model first" in stage.window.toast.text
    stage.session.model = ModelInUse(Path("/m.gguf"), None, "Small")
    drop(stage, files("mmproj-F16.gguf"))
    assert stage.service.asked("open_model")[-1][:2] == (Path("/m.gguf"), Path("/data/mmproj-F16.gguf"))


def test_nothing_is_ever_fetched_for_a_dropped_address(stage: Stage) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/cat.png")])
    drop(stage, mime)
    assert stage.service.asked("attach_file") == []
    assert "never loads pictures from the network" in stage.window.toast.text


def test_dropped_text_is_left_to_the_input(stage: Stage) -> None:
    mime = QMimeData()
    mime.setText("some text")
    assert not drop(stage, mime)


def make_enter(mime: QMimeData) -> QDragEnterEvent:
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    return QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, mime, left, none)


def test_files_over_the_input_are_the_windows_too(stage: Stage, box: MessageInput) -> None:
    mime = files("a.png")  # the event does not keep it
    enter = make_enter(mime)
    QApplication.sendEvent(box.viewport(), enter)
    assert stage.window.hint.isVisible()


def test_the_hint_goes_when_the_drag_leaves(stage: Stage) -> None:
    mime = files("a.png")
    QApplication.sendEvent(stage.window, make_enter(mime))
    assert stage.window.hint.isVisible()
    QApplication.sendEvent(stage.window, QDragLeaveEvent())
    assert not stage.window.hint.isVisible()


def test_a_drop_leads_back_to_the_chat(stage: Stage) -> None:
    stage.window.show_page("settings")
    drop(stage, files("a.png"))
    assert stage.window.page == "chat"

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDialog,
    QFileDialog,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.chat.protocol import ExportKind
from app.core.events import (
    ConversationOpened,
    ConversationsListed,
    ModelLoaded,
    ModelLoadProgressed,
    ModelPlanned,
    OffersListed,
)
from app.core.messages import Conversation
from app.core.settings import Settings, Theme
from app.ui.hardware_page import HardwarePage
from app.ui.theme import DARK
from app.ui.window import MINIMUM
from tests.ui.scenery import GIB, MakeStage, Stage, answer, hardware, offer, plan, question, summary

# What the offscreen platform says of every dialog; it has no window manager to tell sizes to.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")

CTRL = Qt.KeyboardModifier.ControlModifier


def press(stage: Stage, key: Qt.Key, qtbot: QtBot, modifier: Qt.KeyboardModifier = CTRL) -> None:
    qtbot.keyClick(stage.window, key, modifier)


def open_chat(stage: Stage) -> None:
    stage.show(ConversationsListed((summary("c1", "Trip / plans?"),)))
    stage.shell.presenter.commands.open_chat("c1")
    shown = Conversation(summary("c1", "Trip / plans?"), (question(), answer("Because.")))
    stage.show(ConversationOpened(shown))


def test_the_window_is_never_smaller_than_its_minimum(stage: Stage) -> None:
    stage.window.resize(100, 100)
    assert (stage.window.width(), stage.window.height()) == MINIMUM
    for name in ("models", "hardware", "settings", "chat"):
        stage.window.show_page(name)
        hint = stage.window.centralWidget().minimumSizeHint()
        assert hint.width() <= MINIMUM[0]
        assert hint.height() <= MINIMUM[1]


def test_nothing_reaches_out_of_the_smallest_window(make_stage: MakeStage) -> None:
    stage = make_stage(size=MINIMUM)
    window = stage.window
    stage.show(
        OffersListed(hardware(), (offer(),), Path("/models"), GIB),
        ModelPlanned(Path("/m.gguf"), None, "A model with a rather long name, as they come", plan()),
        ModelLoadProgressed(0.5),
    )
    for page in (window.models, window.hardware, window.settings, window.chat.empty):
        assert page.widget().minimumSizeHint().width() <= MINIMUM[0] - page.verticalScrollBar().sizeHint().width()
    button = window.header.menu_button
    assert button.mapTo(window, button.rect().topRight()).x() < MINIMUM[0]
    assert window.header.title.width() > 40


def test_the_sidebar_folds_and_floats_in_a_narrow_window(stage: Stage, qtbot: QtBot) -> None:
    window = stage.window
    assert window.sidebar.isVisible()
    assert not window.header.sidebar_button.isVisible()
    window.resize(899, 700)
    assert not window.sidebar.isVisible()
    qtbot.mouseClick(window.header.sidebar_button, Qt.MouseButton.LeftButton)
    assert window.sidebar.isVisible()
    press(stage, Qt.Key.Key_Escape, qtbot, Qt.KeyboardModifier.NoModifier)
    assert not window.sidebar.isVisible()
    window.resize(901, 700)
    assert window.sidebar.isVisible()


def test_ctrl_b_hides_and_shows_the_sidebar(stage: Stage, qtbot: QtBot) -> None:
    press(stage, Qt.Key.Key_B, qtbot)
    assert not stage.window.sidebar.isVisible()
    press(stage, Qt.Key.Key_B, qtbot)
    assert stage.window.sidebar.isVisible()


def test_ctrl_f_searches_even_when_the_sidebar_is_hidden(stage: Stage, qtbot: QtBot) -> None:
    press(stage, Qt.Key.Key_B, qtbot)
    press(stage, Qt.Key.Key_F, qtbot)
    assert stage.window.sidebar.search.hasFocus()


def test_ctrl_l_and_ctrl_n_lead_to_the_input(stage: Stage, qtbot: QtBot) -> None:
    open_chat(stage)
    stage.window.sidebar.search.setFocus()
    press(stage, Qt.Key.Key_L, qtbot)
    assert stage.window.chat.composer.input.hasFocus()
    stage.window.show_page("settings")
    press(stage, Qt.Key.Key_N, qtbot)
    assert stage.window.page == "chat"
    assert stage.session.shown_id is None
    assert stage.window.chat.composer.input.hasFocus()


def test_ctrl_o_opens_the_chosen_model(stage: Stage, qtbot: QtBot) -> None:
    press(stage, Qt.Key.Key_O, qtbot)
    dialog = stage.window.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit("/models/other.gguf")
    dialog.reject()
    assert stage.service.asked("open_model")[-1][0] == Path("/models/other.gguf")


def test_ctrl_e_exports_the_shown_chat(stage: Stage, qtbot: QtBot) -> None:
    press(stage, Qt.Key.Key_E, qtbot)
    assert stage.window.findChild(QFileDialog) is None  # nothing to export yet
    open_chat(stage)
    press(stage, Qt.Key.Key_E, qtbot)
    dialog = stage.window.findChild(QFileDialog)
    assert dialog is not None
    assert Path(dialog.selectedFiles()[0]).name == "Trip plans.md"
    dialog.fileSelected.emit("/exports/trip.md")
    dialog.reject()
    assert stage.service.asked("export_conversation") == [("c1", Path("/exports/trip.md"), ExportKind.MARKDOWN)]


def test_ctrl_i_imports_the_chosen_file(stage: Stage, qtbot: QtBot) -> None:
    press(stage, Qt.Key.Key_I, qtbot)
    dialog = stage.window.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit("/exports/trip.json")
    dialog.reject()
    assert stage.service.asked("import_conversation") == [(Path("/exports/trip.json"),)]
    names = [action.objectName() for action in stage.window.header.menu.actions()]
    assert names[names.index("export_json") + 1] == "import"


def test_f1_lists_every_shortcut(stage: Stage, qtbot: QtBot) -> None:
    press(stage, Qt.Key.Key_F1, qtbot, Qt.KeyboardModifier.NoModifier)
    dialog = stage.window.findChild(QDialog)
    assert dialog is not None
    words = {label.text() for label in dialog.findChildren(QWidget) if hasattr(label, "text")}
    for action in stage.window.all_actions.all():
        assert action.text() in words
    dialog.reject()


def test_escape_leads_back_from_a_page(stage: Stage, qtbot: QtBot) -> None:
    stage.window.sidebar.door("settings").click()
    assert stage.window.page == "settings"
    assert stage.window.header.title.full_text == "Settings"
    press(stage, Qt.Key.Key_Escape, qtbot, Qt.KeyboardModifier.NoModifier)
    assert stage.window.page == "chat"
    assert not stage.window.sidebar.door("settings").isChecked()


@pytest.mark.parametrize("kind", [QAbstractButton, QLineEdit, QPlainTextEdit, QComboBox])
def test_every_control_has_a_name(stage: Stage, kind: type[QWidget]) -> None:
    open_chat(stage)
    stage.show(OffersListed(hardware(), (offer(),), Path("/models"), GIB))
    stage.window.chat.composer.attach("r1", "plot.png")
    transcript = stage.window.chat.transcript
    for control in stage.window.findChildren(kind):
        if transcript.isAncestorOf(control):  # has tests of its own
            continue
        inside_qt = control.objectName().startswith("qt_") or isinstance(control.parent(), QLineEdit)
        text = control.text() if isinstance(control, QAbstractButton) else ""
        assert inside_qt or control.accessibleName() or text, control


def test_tab_goes_from_the_input_through_the_composer(stage: Stage, qtbot: QtBot) -> None:
    composer = stage.window.chat.composer
    composer.input.setPlainText("Hi")
    composer.input.setFocus()
    order = []
    for _ in range(3):
        qtbot.keyClick(stage.window.focusWidget(), Qt.Key.Key_Tab)
        order.append(stage.window.focusWidget())
    assert order == [composer.switch.segment(0), composer.picture_button, composer.button]


def test_a_theme_chosen_in_the_settings_is_in_force_at_once(stage: Stage) -> None:
    stage.window.settings.theme.choose(2)
    assert stage.shell.appearance.colors is DARK
    assert stage.service.asked("change_settings")[-1][0].theme is Theme.DARK


def test_settings_are_kept_as_they_are_changed(stage: Stage, qtbot: QtBot) -> None:
    page = stage.window.settings
    page.context.setCurrentIndex(page.context.findData(32768))
    page.reserve.setCurrentIndex(page.reserve.findData(2048))
    page.prompt.setPlainText("Answer briefly.")
    qtbot.waitUntil(lambda: stage.session.settings.system_prompt == "Answer briefly.")
    saved = stage.service.asked("change_settings")[-1][0]
    assert (saved.context_tokens, saved.reserve_mib, saved.system_prompt) == (32768, 2048, "Answer briefly.")


def test_the_settings_page_shows_what_is_in_force(make_stage: MakeStage) -> None:
    stage = make_stage(Settings(theme=Theme.DARK, context_tokens=12345, reserve_mib=640, system_prompt="Hi"))
    page = stage.window.settings
    assert page.theme.value == 2
    assert page.context.currentText() == "12,345\u00a0tokens"
    assert page.reserve.currentText() == "640\u202fMiB"
    assert page.prompt.toPlainText() == "Hi"
    assert all(call[0].context_tokens == 12345 for call in stage.service.asked("change_settings"))


def test_the_attention_scale_is_a_setting(stage: Stage) -> None:
    page = stage.window.settings
    assert page.attention.value == 0
    page.attention.choose(1)
    assert stage.service.asked("change_settings")[-1][0].unscaled_attention
    page.show_settings(Settings())
    assert page.attention.value == 0


def test_the_hardware_page_shows_devices_plan_and_details(stage: Stage) -> None:
    page: HardwarePage = stage.window.hardware
    stage.show(
        OffersListed(hardware(), (), Path("/models"), GIB),
        ModelPlanned(Path("/m.gguf"), None, "Small", plan()),
        ModelLoaded(Path("/m.gguf"), None, "Small", 8192, True, True, 3.0, (("Architecture", "mistral4"),)),
    )
    stage.window.sidebar.door("hardware").click()
    words = [label.text() for label in page.findChildren(QWidget) if hasattr(label, "text")]
    for expected in (
        "RTX 4090 · drives the display",
        "3\u202fGiB of 24\u202fGiB",
        "The second card has no driver.",
        "mistral4",
    ):
        assert expected in words
    assert "The experts of 12 layers stay in RAM." in page.plan_card.words()


def test_suggestions_fill_the_input_and_choose_the_effort(stage: Stage) -> None:
    empty, composer = stage.window.chat.empty, stage.window.chat.composer
    empty.puzzle_suggested.emit("A puzzle")
    assert (composer.input.toPlainText(), composer.switch.value) == ("A puzzle", 1)
    empty.question_suggested.emit("A question")
    assert (composer.input.toPlainText(), composer.switch.value) == ("A question", 0)
    assert composer.input.hasFocus()


def test_closing_saves_first_and_then_ends_the_service(stage: Stage) -> None:
    stage.window.settings.prompt.setPlainText("Just typed")
    stage.window.close()
    names = [call[0] for call in stage.service.calls]
    assert names[-1] == "close"
    assert names.count("close") == 1
    saved = stage.service.asked("change_settings")[-1][0]
    assert saved.system_prompt == "Just typed"
    assert saved.window_geometry


def test_the_window_comes_back_where_it_was(make_stage: MakeStage) -> None:
    first = make_stage(size=(1000, 640))
    first.window.close()
    geometry = first.service.asked("change_settings")[-1][0].window_geometry
    again = make_stage(Settings(model="/m.gguf", window_geometry=geometry), size=(1000, 640))
    assert (again.window.width(), again.window.height()) == (1000, 640)


@pytest.mark.parametrize("geometry", ["", "not base64 at all", "ü"])
def test_an_unusable_place_is_ignored(make_stage: MakeStage, geometry: str) -> None:
    assert make_stage(Settings(window_geometry=geometry)).window.isVisible()

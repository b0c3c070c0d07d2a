from __future__ import annotations

import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QLineEdit, QMenu
from pytestqt.qtbot import QtBot

from app.chat.protocol import ExportKind
from app.core.events import ConversationDeleted, ConversationOpened, ConversationsListed
from app.core.messages import Conversation, ConversationSummary
from app.ui.conversation_list import ConversationList
from tests.ui.scenery import Stage, answer, question, summary

# What the offscreen platform says of every dialog; it has no window manager to tell sizes to.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")

CHATS = (summary("c1", "Sort in Rust"), summary("c2", "Old chat", 40), summary("c3", "Trip", 40, pinned=True))


@pytest.fixture
def chats(stage: Stage) -> ConversationList:
    stage.show(ConversationsListed(CHATS))
    return stage.window.sidebar.chats


def index_of(chats: ConversationList, conversation_id: str) -> QModelIndex:
    return chats.conversations.index(chats.conversations.row_of(conversation_id))


def click(chats: ConversationList, conversation_id: str, qtbot: QtBot) -> None:
    place = chats.visualRect(index_of(chats, conversation_id)).center()
    qtbot.mouseClick(chats.viewport(), Qt.MouseButton.LeftButton, pos=place)


def editor_of(chats: ConversationList) -> QLineEdit:
    editor = chats.findChild(QLineEdit, "rename")
    assert editor is not None
    return editor


def titles(chats: ConversationList) -> list[str]:
    model = chats.conversations
    return [str(model.index(row).data()) for row in range(model.rowCount())]


def test_chats_stand_in_groups(chats: ConversationList) -> None:
    assert titles(chats) == ["Pinned", "Trip", "Today", "Sort in Rust", "Older", "Old chat"]


def test_headings_cannot_be_chosen_and_say_what_they_are(chats: ConversationList) -> None:
    heading = chats.conversations.index(0)
    assert not heading.flags() & Qt.ItemFlag.ItemIsSelectable
    assert heading.data(Qt.ItemDataRole.AccessibleTextRole) == "Pinned, heading"
    assert index_of(chats, "c1").data(Qt.ItemDataRole.AccessibleTextRole) == "Chat: Sort in Rust"


def test_a_click_opens_a_chat_and_leaves_the_focus_to_the_input(
    stage: Stage, chats: ConversationList, qtbot: QtBot
) -> None:
    click(chats, "c2", qtbot)
    assert stage.service.asked("open_conversation") == [("c2",)]
    assert stage.window.header.title.full_text == "Old chat"
    assert stage.window.chat.composer.input.hasFocus()


def test_enter_opens_and_delete_deletes(stage: Stage, chats: ConversationList, qtbot: QtBot) -> None:
    chats.setCurrentIndex(index_of(chats, "c2"))
    chats.setFocus()
    qtbot.keyClick(chats, Qt.Key.Key_Return)
    assert stage.service.asked("open_conversation") == [("c2",)]
    chats.setFocus()
    qtbot.keyClick(chats, Qt.Key.Key_Delete)
    assert stage.service.asked("delete_conversation") == [("c2",)]


def test_a_title_is_changed_in_place(stage: Stage, chats: ConversationList, qtbot: QtBot) -> None:
    click(chats, "c1", qtbot)
    stage.window.all_actions["rename"].trigger()
    editor = editor_of(chats)
    assert editor.hasFocus()
    editor.setText("  Sorting \n in Rust ")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: bool(stage.service.asked("rename_conversation")))
    assert stage.service.asked("rename_conversation") == [("c1", "Sorting in Rust")]


@pytest.mark.parametrize("title", ["", "   ", "Sort in Rust"])
def test_an_empty_or_unchanged_title_is_dropped(
    stage: Stage, chats: ConversationList, qtbot: QtBot, title: str
) -> None:
    chats.rename("c1")
    editor = editor_of(chats)
    editor.setText(title)
    with qtbot.waitSignal(editor.destroyed):
        qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert stage.service.asked("rename_conversation") == []


def test_a_new_list_does_not_tear_a_title_away_from_its_editor(
    stage: Stage, chats: ConversationList, qtbot: QtBot
) -> None:
    chats.rename("c1")
    editor = editor_of(chats)
    editor.setText("Half typ")
    stage.show(ConversationsListed((summary("c9", "New one"), *CHATS)))
    assert editor.isVisible()
    assert editor.text() == "Half typ"
    qtbot.keyClick(editor, Qt.Key.Key_Escape)
    assert "New one" in titles(chats)
    assert stage.service.asked("rename_conversation") == []


def choose(menu: QMenu, text: str) -> None:
    next(action for action in menu.actions() if action.text() == text).trigger()


def test_the_menu_of_a_chat(stage: Stage, chats: ConversationList, qtbot: QtBot) -> None:
    one, pinned = CHATS[0], CHATS[2]
    choose(chats.make_menu(one), "Pin")
    choose(chats.make_menu(pinned), "Unpin")
    choose(chats.make_menu(one), "Delete")
    with qtbot.waitSignal(chats.export_wanted, check_params_cb=lambda *args: args == ("c1", ExportKind.JSON)):
        choose(chats.make_menu(one), "Export as JSON…")
    assert stage.service.asked("pin_conversation") == [("c1", True), ("c3", False)]
    assert stage.service.asked("delete_conversation") == [("c1",)]


def test_a_deleted_chat_can_be_brought_back_and_is_shown_again(
    stage: Stage, chats: ConversationList, qtbot: QtBot
) -> None:
    click(chats, "c1", qtbot)
    stage.show(ConversationOpened(Conversation(CHATS[0], (question(), answer("Because.")))))
    stage.show(ConversationDeleted("c1", "Sort in Rust"), ConversationsListed(CHATS[1:]))
    assert stage.session.shown_id is None
    assert not stage.window.chat.shows_transcript
    toast = stage.window.toast
    assert toast.text == "Deleted “Sort in Rust”"
    qtbot.mouseClick(toast.button, Qt.MouseButton.LeftButton)
    assert stage.service.asked("restore_conversation") == [("c1",)]
    assert stage.service.asked("open_conversation") == [("c1",), ("c1",)]
    assert not toast.isVisible()


def test_deleting_another_chat_leaves_the_shown_one(stage: Stage, chats: ConversationList, qtbot: QtBot) -> None:
    click(chats, "c1", qtbot)
    stage.show(ConversationDeleted("c2", "Old chat"))
    assert stage.session.shown_id == "c1"


def test_search_asks_after_a_pause_and_only_its_own_answer_is_shown(
    stage: Stage, chats: ConversationList, qtbot: QtBot
) -> None:
    qtbot.keyClicks(stage.window.sidebar.search, "plot")
    qtbot.waitUntil(lambda: ("plot",) in stage.service.asked("list_conversations"))
    stage.show(ConversationsListed(CHATS))  # of the time before
    found = ConversationSummary("c7", "About a plot", CHATS[0].created_at, CHATS[0].updated_at)
    stage.show(ConversationsListed((found,), "plot"))
    assert titles(chats) == ["Today", "About a plot"]


def test_a_search_without_a_hit_says_so(stage: Stage, chats: ConversationList, qtbot: QtBot) -> None:
    stage.window.sidebar.search.setText("zzz")
    stage.show(ConversationsListed((), "zzz"))
    assert stage.window.sidebar.empty_words == "No chat contains “zzz”."
    assert not chats.isVisible()

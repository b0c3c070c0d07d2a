from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.core import events
from app.core.messages import Conversation, MessageState, ReasoningEffort, ReasoningEnd
from app.core.settings import Settings
from app.ui.header import ModelState
from tests.ui.scenery import GIB, MakeStage, Stage, answer, hardware, picture, plan, question, summary

MODEL = Path("/models/small.gguf")
LOADED = events.ModelLoaded(
    MODEL, None, "Small", 8192, True, True, 3.0, (("Architecture", "mistral4"), ("Context", "8,192 tokens"))
)
PLANNED = events.ModelPlanned(MODEL, None, "Small", plan())


class Column:
    """Record what the presenter asks of the message column."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[object, ...]] = []
        for name in (
            "show_conversation",
            "clear",
            "start_turn",
            "set_prefill",
            "add_reasoning",
            "finish_reasoning",
            "add_answer",
            "finish_turn",
            "fail_turn",
            "set_settings",
            "set_versions",
        ):
            monkeypatch.setattr(stage.window.chat.transcript, name, self._recorder(name))

    def _recorder(self, name: str) -> object:
        return lambda *args: self.calls.append((name, *args))

    def names(self) -> list[object]:
        return [call[0] for call in self.calls]


@pytest.fixture
def column(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Column:
    return Column(stage, monkeypatch)


def press(stage: Stage, text: str) -> None:
    button = next(
        button for button in stage.window.findChildren(QPushButton) if button.text() == text and button.isVisible()
    )
    button.click()


def open_chat(stage: Stage, conversation_id: str, *messages: object) -> None:
    stage.shell.presenter.commands.open_chat(conversation_id)
    shown = Conversation(summary(conversation_id, f"Chat {conversation_id}"), messages)
    stage.show(events.ConversationOpened(shown))


# --- turns ---


def test_a_whole_turn_is_painted_in_order(stage: Stage, column: Column) -> None:
    open_chat(stage, "c1")
    column.calls.clear()
    done = answer("Because.", state=MessageState.COMPLETE)
    stage.show(
        events.TurnStarted("a1", question(), answer()),
        events.PromptRendered("a1", "reasoning_effort: high", 20),
        events.PrefillProgressed("a1", 10, 20, 5.0),
        events.ReasoningText("a1", "Hm."),
        events.ReasoningFinished("a1", 1.5, 7, ReasoningEnd.BUDGET),
        events.AnswerText("a1", "Because."),
        events.TurnFinished("a1", done),
    )
    assert column.calls == [
        ("start_turn", question(), answer()),
        ("set_settings", "reasoning_effort: high"),
        ("set_prefill", 10, 20, 5.0),
        ("add_reasoning", "Hm."),
        ("finish_reasoning", 1.5, 7, ReasoningEnd.BUDGET),
        ("add_answer", "Because."),
        ("finish_turn", done),
    ]
    assert stage.session.running is None


def test_a_failed_turn_says_why_where_it_happened(stage: Stage, column: Column) -> None:
    open_chat(stage, "c1")
    failed = answer("Be", state=MessageState.FAILED)
    stage.show(events.TurnStarted("a1", question(), answer()), events.TurnFailed("a1", failed, "It broke. Try again."))
    assert column.calls[-1] == ("fail_turn", failed, "It broke. Try again.")
    assert stage.window.chat.composer.button.accessibleName().startswith("Send")


def test_the_first_message_gives_the_new_chat_its_id(stage: Stage, column: Column) -> None:
    composer = stage.window.chat.composer
    composer.input.setPlainText("Why?")
    composer.submit()
    stage.show(events.TurnStarted("a1", question("Why?"), answer()))
    assert stage.session.shown_id == "c1"
    assert stage.window.chat.shows_transcript
    assert column.names() == ["start_turn"]
    assert stage.service.asked("change_settings")[-1][0].last_conversation == "c1"
    stage.show(events.ConversationsListed((summary("c1", "Why indeed"),)))
    assert stage.window.header.title.full_text == "Why indeed"


def test_a_turn_elsewhere_is_not_painted_here(stage: Stage, column: Column) -> None:
    stage.show(events.ConversationsListed((summary("c1", "First"), summary("c2", "Second"))))
    open_chat(stage, "c1")
    stage.show(events.TurnStarted("a1", question(), answer()))
    open_chat(stage, "c2")
    column.calls.clear()
    stage.show(events.AnswerText("a1", "secret"), events.ReasoningText("a1", "secret"))
    assert column.calls == []
    composer = stage.window.chat.composer
    composer.input.setPlainText("Next")
    composer.submit()
    assert "“Chat c1”" in composer.hint.text()
    stage.show(events.TurnFinished("a1", answer("secret", state=MessageState.COMPLETE)))
    assert column.calls == []
    assert stage.window.toast.text == "“Chat c1” has its answer"


def test_versions_are_shown_where_they_belong(stage: Stage, column: Column) -> None:
    open_chat(stage, "c1", question())
    versions = {"q1": ("q0", "q1")}
    stage.show(events.VersionsChanged("c1", versions), events.VersionsChanged("c2", {"x": ("x", "y")}))
    stage.shell.presenter.commands.open_chat("c2")
    stage.show(events.VersionsChanged("c2", {"x": ("x", "y")}))  # is in what comes next
    assert [call for call in column.calls if call[0] == "set_versions"] == [("set_versions", versions)]
    stage.show(events.ConversationOpened(Conversation(summary("c2", "Second"), (question(),), versions)))
    assert column.calls[-1] == ("show_conversation", (question(),), versions)


def test_the_pager_asks_the_service(stage: Stage) -> None:
    stage.shell.presenter.commands.open_chat("c1")
    conversation = Conversation(summary("c1", "First"), (question(), answer("Why?")), {"a1": ("a0", "a1")})
    stage.show(events.ConversationOpened(conversation))
    stage.window.chat.transcript.column.view_at(1).footer.pager.previous_button.click()
    assert stage.service.asked("show_version") == [("a0",)]


def test_an_imported_chat_is_shown(stage: Stage, column: Column) -> None:
    open_chat(stage, "c1")
    stage.window.show_page("models")
    imported = Conversation(summary("c9", "From elsewhere"), (question(conversation_id="c9"),))
    stage.show(events.ConversationOpened(imported, is_imported=True))
    assert stage.session.shown_id == "c9"
    assert stage.window.page == "chat"
    assert stage.window.header.title.full_text == "From elsewhere"
    assert column.calls[-1] == ("show_conversation", imported.messages, {})
    assert stage.window.all_actions["export_json"].isEnabled()
    assert stage.service.asked("change_settings")[-1][0].last_conversation == "c9"
    assert stage.service.asked("open_conversation") == [("c1",)], "its messages are here already"


def test_coming_back_shows_what_arrived_and_goes_on(stage: Stage, column: Column) -> None:
    open_chat(stage, "c1")
    stage.show(events.TurnStarted("a1", question(), answer()))
    open_chat(stage, "c2")
    stage.shell.presenter.commands.open_chat("c1")
    column.calls.clear()
    stage.show(events.AnswerText("a1", "one "))  # is in what comes next
    grown = (question(), answer("one "))
    stage.show(events.ConversationOpened(Conversation(summary("c1", "First"), grown)), events.AnswerText("a1", "two"))
    assert column.calls == [("show_conversation", grown, {}), ("add_answer", "two")]


def test_a_new_chat_started_while_the_first_message_is_on_its_way_stays_new(stage: Stage, column: Column) -> None:
    composer = stage.window.chat.composer
    composer.input.setPlainText("Why?")
    composer.submit()
    stage.shell.presenter.commands.new_chat()
    stage.show(events.TurnStarted("a1", question("Why?"), answer()))
    assert stage.session.shown_id is None
    assert "start_turn" not in column.names()


def test_versions_are_asked_for_with_the_effort_of_the_switch(stage: Stage) -> None:
    stage.window.chat.composer.switch.set_effort(ReasoningEffort.HIGH)
    transcript = stage.window.chat.transcript
    transcript.regenerate_requested.emit("a1")
    transcript.edit_requested.emit("q1", "Other words")
    assert stage.service.asked("regenerate") == [("a1", ReasoningEffort.HIGH)]
    assert stage.service.asked("edit") == [("q1", "Other words", ReasoningEffort.HIGH)]


# --- the model ---


def state_of(stage: Stage) -> tuple[str, str]:
    header = stage.window.header
    return header.model_button.text(), header.dot.tone


def test_a_model_is_planned_in_words_loaded_and_ready(stage: Stage) -> None:
    header, empty = stage.window.header, stage.window.chat.empty
    stage.show(PLANNED)
    assert empty.plan_card.isVisible()
    assert any("12 layers stay in RAM" in text for text in empty.plan_card.words())
    stage.show(events.ModelLoadProgressed(0.42))
    assert state_of(stage) == ("Small · loading 42\u202f%", ModelState.LOADING.value[1])
    assert header.progress.value() == 420
    header.cancel_button.click()
    assert stage.service.asked("cancel_load") == [()]
    stage.show(LOADED)
    assert state_of(stage) == ("Small · ready", ModelState.READY.value[1])
    assert not header.cancel_button.isVisible()
    assert not empty.plan_card.isVisible()
    assert stage.session.settings.model == str(MODEL)


def test_a_cancelled_load_leaves_no_model(stage: Stage) -> None:
    stage.show(PLANNED, events.ModelLoadStopped(MODEL))
    assert state_of(stage)[0] == "No model"
    assert stage.window.chat.empty.no_model.isVisible()


def test_a_plan_that_does_not_fit_can_be_overridden(stage: Stage) -> None:
    stage.show(PLANNED, events.ModelLoadFailed(MODEL, "It needs 72 GB. Close other programs.", True))
    assert stage.window.notices.sentence("model") == "It needs 72 GB. Close other programs."
    press(stage, "Load anyway")
    assert stage.service.asked("open_model")[-1] == (MODEL, None, ("anyway", True))
    assert stage.window.notices.sentence("model") == ""


def test_a_model_that_was_ready_stays_so_when_another_can_not_be_opened(stage: Stage) -> None:
    stage.show(LOADED, events.ModelLoadFailed(Path("/other.gguf"), "That file is damaged."))
    assert state_of(stage)[0] == "Small · ready"
    assert not any(button.text() == "Load anyway" for button in stage.window.findChildren(QPushButton))


def test_a_model_that_did_not_fit_lends_its_name_to_no_other(stage: Stage) -> None:
    large = events.ModelPlanned(Path("/models/large.gguf"), None, "Large", plan())
    stage.show(LOADED, large, events.ModelLoadFailed(large.path, "It needs 72 GB.", True))
    stage.show(events.EngineStopped("The engine stopped."))
    assert state_of(stage)[0] == "Small · stopped"
    stage.show(events.ModelLoadProgressed(0.5))
    assert state_of(stage)[0] == "Small · loading 50\u202f%"


def test_a_model_that_was_ready_is_gone_when_the_next_breaks_off(stage: Stage) -> None:
    stage.show(LOADED, PLANNED, events.ModelLoadProgressed(0.5), events.ModelLoadFailed(MODEL, "The driver broke off."))
    assert state_of(stage)[0] == "No model"


def test_a_stopped_engine_is_started_again_by_one_button(stage: Stage) -> None:
    stage.show(LOADED, events.EngineStopped("The model’s process ended. Start it again to go on."))
    assert state_of(stage) == ("Small · stopped", "error")
    press(stage, "Start again")
    assert stage.service.asked("restart_engine") == [()]


def test_an_engine_that_dies_in_a_turn_is_told_once(stage: Stage) -> None:
    stage.session.shown_id = "c1"
    sentence = "The engine stopped unexpectedly. Your chat is saved."
    failed = events.TurnFailed("a1", answer(state=MessageState.FAILED), sentence)
    stage.show(LOADED, events.TurnStarted("a1", question(), answer()), failed, events.EngineStopped(sentence))
    assert state_of(stage) == ("Small · stopped", "error")
    assert not [button for button in stage.window.findChildren(QPushButton) if button.text() == "Start again"]


def test_what_the_model_can_do_reaches_the_composer(stage: Stage) -> None:
    blind = events.ModelLoaded(MODEL, None, "Blind", 8192, False, False, 1.0, ())
    stage.show(blind)
    assert not stage.window.chat.composer.switch.isEnabled()
    assert stage.window.sidebar.isVisible()


def test_the_model_in_use_can_be_loaded_again_with_new_settings(stage: Stage) -> None:
    stage.show(LOADED)
    stage.window.settings.reload_button.click()
    assert stage.service.asked("open_model")[-1][:2] == (MODEL, None)


# --- conversations ---


def test_an_opened_chat_is_shown_unless_the_person_has_gone_on(stage: Stage, column: Column) -> None:
    stage.shell.presenter.commands.open_chat("c1")
    stage.shell.presenter.commands.open_chat("c2")
    column.calls.clear()
    stage.show(events.ConversationOpened(Conversation(summary("c1", "First"), (question(),))))
    assert column.calls == []
    second = (question("Second?", "c2"),)
    stage.show(events.ConversationOpened(Conversation(summary("c2", "Second"), second)))
    assert column.calls == [("show_conversation", second, {})]
    assert stage.window.windowTitle() == "Second – Solo"


def test_a_chat_that_can_not_be_opened_gives_way_to_a_new_one(make_stage: MakeStage) -> None:
    stage = make_stage(Settings(model="/m.gguf", last_conversation="gone"))
    assert stage.service.asked("open_conversation") == [("gone",)]
    stage.show(events.ConversationsListed(()), events.Refused("This chat is not there any more."))
    assert stage.session.shown_id is None
    assert stage.window.notices.sentence("refused") == "This chat is not there any more."


def test_an_export_says_where_it_is(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    stage.show(events.ConversationExported(Path("/exports/trip.md")))
    assert stage.window.toast.text == "Saved as “trip.md”"
    stage.window.toast.button.click()
    assert opened == [QUrl.fromLocalFile("/exports")]


def test_the_meter_shows_the_chat_that_is_shown(stage: Stage) -> None:
    meter = stage.window.chat.composer.meter
    stage.show(events.ContextMeasured("", 1024, 8192))
    assert meter.text == "context 12\u202f%"
    assert meter.toolTip() == "1,024 of 8,192\u00a0tokens of the context are used"
    stage.show(events.ContextMeasured("", 8, 8192))
    assert meter.text == "context <\u202f1\u202f%"
    stage.show(events.ContextMeasured("", 1024, 8192))
    stage.show(events.ContextMeasured("other", 8192, 8192))
    assert meter.text == "context 12\u202f%"
    assert meter.isVisible()
    stage.shell.presenter.commands.open_chat("other")  # which can't be measured: no model is there
    assert not meter.isVisible()


def test_the_context_is_measured_when_the_person_pauses(stage: Stage, qtbot: QtBot) -> None:
    stage.show(LOADED)
    before = len(stage.service.asked("measure"))
    stage.window.chat.composer.input.setPlainText("A draft")
    qtbot.waitUntil(lambda: len(stage.service.asked("measure")) > before)
    assert stage.service.asked("measure")[-1] == (None, "A draft", (), ReasoningEffort.NONE)


# --- the rest ---


def test_pictures_and_offers_reach_their_places(stage: Stage) -> None:
    composer = stage.window.chat.composer
    composer.attach("r1", "plot.png")
    composer.attach("r2", "notes.pdf")
    stage.show(
        events.PictureAttached("r1", picture(), b"no png"), events.PictureRefused("r2", "notes.pdf", "Not a picture.")
    )
    assert composer.draft.pictures == (picture(),)
    stage.show(events.OffersListed(hardware(), (), Path("/models"), 5 * GIB))
    assert stage.window.hardware.ram_bytes == 96 * GIB
    assert "RTX 3090 (24\u202fGiB)" in stage.window.models.machine.text()


def test_a_refusal_can_be_dismissed(stage: Stage, qtbot: QtBot) -> None:
    stage.show(events.Refused("That did not work."))
    assert stage.window.notices.isVisible()
    stage.window.notices.clear("refused")
    assert not stage.window.notices.isVisible()


def test_a_bug_is_shown_once_with_its_details_to_copy(stage: Stage) -> None:
    bug = events.BugFound("KeyError: 'x'", "Traceback ...")
    stage.show(bug)
    assert stage.window.notices.sentence("bug").startswith("Something unexpected went wrong inside Solo.")
    press(stage, "Copy details")
    assert QGuiApplication.clipboard().text() == "Traceback ..."
    stage.show(bug)
    assert stage.window.notices.sentence("bug") == ""


def test_events_from_another_thread_are_shown_on_the_windows(stage: Stage, qtbot: QtBot) -> None:
    event = events.ContextMeasured("", 4096, 8192)
    worker = threading.Thread(target=stage.shell.presenter.publish, args=(event,))
    worker.start()
    worker.join()
    assert stage.window.chat.composer.meter.text == ""  # nothing is painted on the worker's thread
    qtbot.waitUntil(lambda: stage.window.chat.composer.meter.text == "context 50\u202f%")


def test_what_comes_after_closing_is_dropped(stage: Stage) -> None:
    stage.window.close()
    stage.show(events.Refused("Too late."))
    assert stage.window.notices.sentence("refused") == ""


def test_a_refusal_of_something_else_leaves_the_message_on_its_way(stage: Stage) -> None:
    composer = stage.window.chat.composer
    composer.input.setPlainText("Why?")
    composer.submit()
    stage.show(events.Refused("The settings could not be saved."))
    stage.show(events.TurnStarted("a1", question("Why?"), answer()))
    assert composer.input.toPlainText() == ""
    assert stage.session.shown_id == "c1"

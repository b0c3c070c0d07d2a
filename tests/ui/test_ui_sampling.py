"""The settings of sampling and thinking, and what the window does with a full context."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from app.core import events
from app.core.messages import ReasoningEffort, ReasoningEnd
from app.core.settings import Settings
from app.ui.sampling_card import SamplingCard
from tests.ui.scenery import MakeStage, Stage, answer, question, summary

pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")

FAST, THINK = ReasoningEffort.NONE, ReasoningEffort.HIGH


@pytest.fixture
def card(qtbot: QtBot) -> SamplingCard:
    card = SamplingCard()
    qtbot.addWidget(card)
    card.show()
    return card


def write(qtbot: QtBot, card: SamplingCard, name: str, text: str) -> None:
    field = card.budget if name == "think_budget" else card.fields[name]
    field.input.clear()
    qtbot.keyClicks(field.input, text)


def test_what_the_makers_say_stands_where_nothing_was_chosen(card: SamplingCard) -> None:
    assert card.fields["temperature"].input.text() == ""
    assert card.fields["temperature"].input.placeholderText() == "0.1"
    card.mode.choose(1)
    assert card.fields["temperature"].input.placeholderText() == "0.7"
    assert card.fields["top_p"].input.placeholderText() == "0.95"
    assert card.budget.isVisible()
    assert not card.reset_button.isEnabled()


def test_each_mode_keeps_its_own(card: SamplingCard, qtbot: QtBot) -> None:
    write(qtbot, card, "temperature", "0,3")
    card.mode.choose(1)
    write(qtbot, card, "top_k", "40")
    write(qtbot, card, "think_budget", "2000")

    assert card.choices(FAST) == {"temperature": 0.3}
    assert card.choices(THINK) == {"top_k": 40}
    assert card.think_budget == 2000
    card.mode.choose(0)
    assert card.fields["temperature"].input.text() == "0.3"
    card.reset_button.click()
    assert card.choices(FAST) == {}
    assert card.choices(THINK) == {"top_k": 40}


def test_what_makes_no_sense_is_said_and_not_taken(card: SamplingCard, qtbot: QtBot) -> None:
    write(qtbot, card, "top_p", "0.5")
    write(qtbot, card, "top_p", "1.5")

    assert card.fields["top_p"].complaint.text() == "Top p is a number from 0 to 1."
    assert card.fields["top_p"].complaint.isVisible()
    assert card.choices(FAST).get("top_p") in {0.5, 1.0}  # the last that made sense
    write(qtbot, card, "top_p", "0.6")
    assert not card.fields["top_p"].complaint.isVisible()
    assert card.choices(FAST) == {"top_p": 0.6}


def test_rarer_samplers_are_folded(card: SamplingCard) -> None:
    assert not card.fields["xtc_probability"].isVisible()
    card.more_button.click()
    assert card.fields["xtc_probability"].isVisible()


def test_choices_are_remembered(stage: Stage, qtbot: QtBot) -> None:
    page = stage.window.settings
    stage.window.show_page("settings")
    write(qtbot, page.sampling, "min_p", "0.1")
    page.flush()

    saved = stage.service.asked("change_settings")[-1][0]
    assert saved.fast_sampling == {"min_p": 0.1}


def test_saved_choices_are_shown(make_stage: MakeStage) -> None:
    settings = Settings(model="/models/small.gguf", think_sampling={"temperature": 1.0}, think_budget=512)
    stage = make_stage(settings)
    stage.window.settings.show_settings(settings)
    card = stage.window.settings.sampling
    card.mode.choose(1)
    assert card.fields["temperature"].input.text() == "1"
    assert card.budget.input.text() == "512"


def running(stage: Stage) -> None:
    stage.show(
        events.ConversationsListed((summary("c1", "Why"),)),
        events.TurnStarted("a1", question(), answer()),
    )
    stage.session.shown_id = "c1"


def test_the_answer_can_be_asked_for_by_key_and_by_button(stage: Stage, qtbot: QtBot) -> None:
    running(stage)
    stage.show(events.ReasoningText("a1", "Hm"))

    stage.window.all_actions["answer_now"].trigger()
    stage.window.chat.transcript.answer_now_requested.emit()
    stage.show(events.ReasoningFinished("a1", 1.0, 5, ReasoningEnd.PERSON))

    assert len(stage.service.asked("answer_now")) == 2


def test_turns_that_leave_are_told(stage: Stage) -> None:
    running(stage)
    stage.show(events.TurnsLeftOut("a1", "q1", 4, is_news=True))

    assert stage.window.chat.transcript.column.horizon.isVisible() or stage.session.running is not None
    assert stage.session.running is not None
    assert stage.session.running.first_seen_id == "q1"
    assert "first 4 messages" in stage.window.toast.text


def test_the_meter_shows_what_sending_would_lead_to(stage: Stage) -> None:
    stage.show(events.ContextMeasured("", 9000, 8192, "The oldest turns leave."))
    meter = stage.window.chat.composer.meter
    assert "The oldest turns leave." in meter.toolTip()
    stage.show(events.ContextMeasured("", 100, 8192))
    assert "leave" not in meter.toolTip()


def test_going_on_asks_the_model_to(stage: Stage, qtbot: QtBot) -> None:
    stage.session.shown_id = "c1"
    stage.window.chat.transcript.go_on_requested.emit()
    sent = stage.service.asked("send")
    assert [call[0] for call in sent] == ["c1"]

"""The engine's process dies: one sentence, an intact chat, and it starts again."""

from __future__ import annotations

import os
import signal

import pytest

from app.core.events import (
    AnswerText,
    BugFound,
    EngineStopped,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoadProgressed,
    Refused,
    TurnFailed,
)
from app.core.messages import MessageState
from tests.chat.conftest import MakeStage
from tests.chat.stage import FAST, Stage

SIGNALS = {
    signal.SIGKILL: "it was killed",
    signal.SIGSEGV: "a memory error",
    signal.SIGABRT: "it found",
}


@pytest.mark.parametrize("number", SIGNALS)
def test_death_during_a_turn(stage: Stage, number: signal.Signals) -> None:
    before = stage.ask("before")
    stage.hold("answer")
    started = stage.begin("during", before.conversation_id)
    stage.recorder.wait_for(AnswerText, lambda event: event.turn_id == started.turn_id and event.text == " said: ")
    os.kill(stage.pid, number)
    failed = stage.failed(started)
    stopped = stage.recorder.wait_for(EngineStopped)
    assert SIGNALS[number] in failed.sentence
    assert failed.sentence == stopped.sentence
    assert "saved" in failed.sentence
    assert (failed.answer.state, failed.answer.text) == (MessageState.FAILED, "You said: ")
    assert (stage.text_on_disk(started.turn_id), stage.state_on_disk(started.turn_id)) == ("You said: ", "failed")
    stage.release("answer")
    after = stage.ask("after", before.conversation_id)
    assert after.text == "You said: after "
    assert [text for _, text in stage.prompt_of(after.id)] == [
        "before",
        "You said: before ",
        "during",
        "You said: ",
        "after",
    ]
    assert len(stage.recorder.of(TurnFailed)) == len(stage.recorder.of(EngineStopped)) == 1
    assert stage.recorder.of(Refused, BugFound, ModelLoadFailed) == []
    assert len(stage.recorder.of(ModelLoaded)) == 2


@pytest.mark.parametrize("number", SIGNALS)
def test_death_while_idle(stage: Stage, number: signal.Signals) -> None:
    before = stage.ask("before")
    os.kill(stage.pid, number)
    assert SIGNALS[number] in stage.recorder.wait_for(EngineStopped).sentence
    assert stage.ask("after", before.conversation_id).text == "You said: after "
    assert len(stage.recorder.of(EngineStopped)) == 1
    assert stage.recorder.of(TurnFailed, Refused, BugFound) == []


def test_the_engine_can_be_started_again_without_a_message(stage: Stage) -> None:
    old = stage.pid
    os.kill(old, signal.SIGKILL)
    stage.recorder.wait_for(EngineStopped)
    stage.service.restart_engine()
    stage.recorder.wait_for(ModelLoaded)
    assert stage.pid != old
    stage.service.restart_engine()
    stage.settle()
    assert len(stage.recorder.of(ModelLoaded)) == 2, "an engine that runs is left alone"


def test_restarting_without_a_model_says_what_to_do(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.service.restart_engine()
    assert "Open a model file" in stage.recorder.wait_for(Refused).sentence


def test_it_can_die_again_and_again(stage: Stage) -> None:
    conversation = stage.ask("start").conversation_id
    for round_number in range(3):
        stage.hold("answer")
        started = stage.begin(f"round {round_number}", conversation)
        stage.recorder.wait_for(AnswerText, lambda event, turn=started.turn_id: event.turn_id == turn)
        os.kill(stage.pid, signal.SIGKILL)
        stage.failed(started)
        stage.release("answer")
    assert stage.ask("end", conversation).state is MessageState.COMPLETE
    assert len(stage.recorder.of(TurnFailed)) == 3


def test_death_during_a_load_fails_the_load_and_trying_again_works(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.hold("load")
    model = stage.model()
    stage.service.open_model(model)
    stage.recorder.wait_for(ModelLoadProgressed)
    started = stage.begin("waiting behind the load")
    os.kill(stage.pid, signal.SIGKILL)
    failed = stage.recorder.wait_for(ModelLoadFailed)
    assert failed.path == model
    assert "killed" in failed.sentence
    assert not failed.can_retry_anyway
    assert stage.failed(started).sentence == failed.sentence
    stage.release("load")
    stage.service.open_model(model)
    stage.recorder.wait_for(ModelLoaded)
    answer = stage.ask("again", started.question.conversation_id)
    assert answer.text == "You said: waiting behind the load again ", "both questions were open"
    assert stage.recorder.of(EngineStopped, BugFound) == []


def test_the_next_message_loads_again_after_a_death_during_a_load(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.hold("load")
    stage.service.open_model(stage.model())
    stage.recorder.wait_for(ModelLoadProgressed)
    os.kill(stage.pid, signal.SIGKILL)
    stage.recorder.wait_for(ModelLoadFailed)
    stage.release("load")
    assert stage.ask("hello").text == "You said: hello "


def test_an_engine_that_can_not_start_says_so_and_the_service_goes_on(make_stage: MakeStage) -> None:
    stage = make_stage("ends_at_once")
    stage.service.open_model(stage.model())
    failed = stage.recorder.wait_for(ModelLoadFailed)
    assert "could not be started" in failed.sentence
    started = stage.begin("hello")
    assert stage.failed(started).sentence == failed.sentence


def test_death_during_a_measurement_is_no_failed_turn(stage: Stage) -> None:
    stage.service.measure(None, "draft", (), FAST)
    os.kill(stage.pid, signal.SIGKILL)
    stage.recorder.wait_for(EngineStopped)
    assert stage.ask("after").text == "You said: after "
    assert stage.recorder.of(TurnFailed, BugFound) == []

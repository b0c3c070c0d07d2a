"""Stopping a turn, wherever it is."""

from __future__ import annotations

from app.core.events import (
    AnswerText,
    ModelLoaded,
    PrefillProgressed,
    ReasoningText,
    TurnFailed,
    TurnFinished,
)
from app.core.messages import MessageState, StopReason
from tests.chat.conftest import MakeStage
from tests.chat.stage import THINK, Stage


def test_stop_while_the_prompt_is_read(make_stage: MakeStage) -> None:
    stage = make_stage("slow_prefill")
    stage.load()
    started = stage.begin("a very long prompt")
    stage.recorder.wait_for(PrefillProgressed)
    stage.service.stop()
    answer = stage.finished(started).answer
    assert (answer.state, answer.text) == (MessageState.STOPPED, "")
    assert answer.stats is not None
    assert answer.stats.stop_reason is StopReason.CANCELLED


def test_stop_in_the_middle_of_an_answer(make_stage: MakeStage) -> None:
    stage = make_stage("talks_forever")
    stage.load()
    started = stage.begin("go on")
    stage.recorder.wait_for(AnswerText, lambda event: event.text == "and ")
    stage.service.stop()
    answer = stage.finished(started).answer
    assert answer.state is MessageState.STOPPED
    assert answer.text == "".join(event.text for event in stage.recorder.of(AnswerText))
    assert stage.text_on_disk(answer.id) == answer.text
    assert stage.state_on_disk(answer.id) == "stopped"


def test_stop_while_the_model_thinks(make_stage: MakeStage) -> None:
    stage = make_stage("thinks_forever")
    stage.load()
    started = stage.begin("hard question", effort=THINK)
    stage.recorder.wait_for(ReasoningText)
    stage.service.stop()
    answer = stage.finished(started).answer
    assert answer.state is MessageState.STOPPED
    assert answer.reasoning.startswith("Step 1. ")
    assert answer.text == ""


def test_stop_while_the_turn_waits_for_the_model(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.hold("load")
    stage.service.open_model(stage.model())
    started = stage.begin("patience")
    stage.service.stop()
    answer = stage.finished(started).answer
    assert (answer.state, answer.text) == (MessageState.STOPPED, "")
    stage.release("load")
    stage.recorder.wait_for(ModelLoaded)
    assert stage.ask("now?").text == "You said: now? "
    assert [request.request_id for request in stage.requests].count(started.turn_id) == 0


def test_a_stopped_answer_is_part_of_what_the_model_gets_next(stage: Stage) -> None:
    stage.hold("answer")
    started = stage.begin("first")
    stage.recorder.wait_for(AnswerText, lambda event: event.text == " said: ")
    stage.service.stop()
    stage.finished(started)
    stage.release("answer")
    second = stage.ask("second", started.question.conversation_id)
    assert stage.prompt_of(second.id) == [("user", "first"), ("assistant", "You said: "), ("user", "second")]


def test_stop_without_a_turn_and_twice_does_nothing(stage: Stage) -> None:
    stage.service.stop()
    stage.hold("answer")
    started = stage.begin("once")
    stage.service.stop()
    stage.service.stop()
    stage.finished(started)
    stage.service.stop()
    stage.settle()
    assert len(stage.recorder.of(TurnFinished)) == 1
    assert stage.recorder.of(TurnFailed) == []

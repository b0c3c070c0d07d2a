"""How full the context would be, asked while the engine is idle."""

from __future__ import annotations

import pytest

from app.core.events import ContextMeasured, Refused
from app.core.messages import Picture
from app.engine.protocol import MeasureRequest
from tests.chat.conftest import MakeStage
from tests.chat.stage import FAST, Stage

PICTURE = Picture("ab" * 32, "cat.png", "image/png", 28, 28, 2)


def measured(stage: Stage, conversation_id: str | None, text: str, *pictures: Picture) -> ContextMeasured:
    stage.service.measure(conversation_id, text, pictures, FAST)
    return stage.recorder.wait_for(ContextMeasured)


def measurements(stage: Stage) -> int:
    return sum(isinstance(request, MeasureRequest) for request in stage.requests)


def test_a_draft_alone_and_with_its_conversation(stage: Stage) -> None:
    assert measured(stage, None, "one two") == ContextMeasured("", 3, 8192)
    answer = stage.ask("one two")
    stage.recorder.wait_for(ContextMeasured)
    chat = answer.conversation_id
    history = 3 + 5  # the fake counts words: "user one two", "assistant You said: one two"
    assert measured(stage, chat, "") == ContextMeasured(chat, history, 8192)
    assert measured(stage, chat, "three") == ContextMeasured(chat, history + 2, 8192)


def test_pictures_of_the_draft_count(stage: Stage) -> None:
    assert measured(stage, None, "look", PICTURE).used_tokens == 2 + 10


@pytest.mark.parametrize("what", ["without a model", "while a turn runs", "while a model loads"])
def test_nothing_is_measured(make_stage: MakeStage, what: str) -> None:
    stage = make_stage()
    if what != "without a model":
        stage.load()
    if what == "while a turn runs":
        stage.hold("answer")
        stage.begin("busy")
    if what == "while a model loads":
        stage.hold("load")
        stage.service.open_model(stage.model())
    stage.service.measure(None, "draft", (), FAST)
    stage.settle()
    assert measurements(stage) == 0
    assert stage.recorder.of(ContextMeasured, Refused) == []


def test_a_message_sent_right_after_a_measurement_waits_for_it(stage: Stage) -> None:
    stage.service.measure(None, "hello", (), FAST)
    assert stage.ask("hello").text == "You said: hello "
    assert measurements(stage) == 1

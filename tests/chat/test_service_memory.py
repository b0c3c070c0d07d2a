"""Memory runs out while loading or answering: a smaller plan each time, said in a sentence, and remembered."""

from __future__ import annotations

import os

import pytest

from app.core.events import (
    BugFound,
    EngineStopped,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoadStopped,
    ModelPlanned,
    PlanReduced,
    TurnFailed,
)
from app.core.facts import Plan
from app.engine.protocol import LoadRequest
from tests.chat.conftest import MakeStage
from tests.chat.stage import Stage

posix = pytest.mark.skipif(os.name == "nt", reason="the scripted deaths are POSIX signals")
CONTEXT = 8192  # of the small model


def give_room(stage: Stage, kv_type: str, context_tokens: int, how: str, when: str) -> None:
    (stage.steering / "room").write_text(f"{kv_type} {context_tokens} {how} {when}")


def plans(stage: Stage) -> list[Plan]:
    return [request.plan for request in stage.requests if isinstance(request, LoadRequest)]


@posix
@pytest.mark.parametrize("how", ["fails", "dies"])
def test_a_load_goes_down_until_it_fits_and_the_turn_waits_for_it(make_stage: MakeStage, how: str) -> None:
    stage = make_stage()
    give_room(stage, "q8_0", 4096, how, "load")
    stage.hold("load")
    stage.service.open_model(stage.model())
    started = stage.begin("early")
    stage.release("load")

    loaded = stage.recorder.wait_for(ModelLoaded)

    assert stage.finished(started).answer.text == "You said: early "
    assert loaded.context_tokens == 4096
    said = [event.sentence for event in stage.recorder.of(PlanReduced)]
    assert all(
        words in sentence for words, sentence in zip(("128 tokens", "8 bits", "4,096 tokens"), said, strict=True)
    )
    assert all(sentence.startswith("Memory ran out. The model is loaded again with ") for sentence in said)
    assert [(plan.batch_tokens, plan.kv_type, plan.context_tokens) for plan in plans(stage)] == [
        (512, "f16", CONTEXT),
        (128, "f16", CONTEXT),
        (128, "q8_0", CONTEXT),
        (128, "q8_0", 4096),
    ]
    assert stage.recorder.of(ModelPlanned)[-1].plan == plans(stage)[-1]
    assert stage.recorder.of(ModelLoadFailed, TurnFailed, BugFound, EngineStopped) == []


def test_the_plan_that_worked_is_remembered(make_stage: MakeStage) -> None:
    stage = make_stage()
    give_room(stage, "q8_0", 4096, "fails", "load")
    stage.load()
    first = len(plans(stage))
    stage.close()
    again = make_stage()

    again.load()

    assert len(plans(again)) == first + 1, "it fits at once"
    assert (plans(again)[-1].kv_type, plans(again)[-1].context_tokens) == ("q8_0", 4096)
    assert again.recorder.of(PlanReduced) == []
    planned = again.recorder.wait_for(ModelPlanned)
    assert any("because memory ran out before" in reason for reason in planned.plan.reasons)


def test_the_bottom_of_the_ladder_is_a_failed_load(make_stage: MakeStage) -> None:
    stage = make_stage()
    give_room(stage, "q8_0", 1, "fails", "load")
    stage.service.open_model(stage.model())

    failed = stage.recorder.wait_for(ModelLoadFailed)

    assert "not enough memory" in failed.sentence
    assert plans(stage)[-1].context_tokens == 2048
    (stage.steering / "room").unlink()
    stage.load()
    assert plans(stage)[-1].context_tokens == CONTEXT, "nothing is remembered of what did not work"


def test_the_way_down_can_be_cancelled(make_stage: MakeStage) -> None:
    stage = make_stage()
    give_room(stage, "q8_0", 4096, "fails", "load")
    stage.hold("load")
    stage.recorder.on_event = lambda event: stage.hold("load") if isinstance(event, PlanReduced) else None
    stage.service.open_model(stage.model())
    stage.release("load")
    stage.recorder.wait_for(PlanReduced)

    stage.service.cancel_load()

    stage.recorder.wait_for(ModelLoadStopped)
    stage.settle()
    assert len(stage.recorder.of(PlanReduced)) == 1
    assert stage.recorder.of(ModelLoaded, ModelLoadFailed) == []


@posix
@pytest.mark.parametrize("how", ["fails", "dies"])
def test_an_answer_that_runs_out_of_memory_is_kept_and_the_next_message_goes_on(
    make_stage: MakeStage, how: str
) -> None:
    stage = make_stage()
    stage.load()
    give_room(stage, "q8_0", CONTEXT, how, "answer")
    started = stage.begin("first")

    failed = stage.failed(started)
    stopped = stage.recorder.wait_for(EngineStopped)
    reduced = stage.recorder.wait_for(PlanReduced)

    assert "memory" in failed.sentence
    assert failed.answer.text == "You said: "
    assert failed.sentence == stopped.sentence
    assert "With your next message the model is loaded with prompts read in pieces of 128 tokens" in reduced.sentence
    again = stage.begin("second", started.question.conversation_id)
    stage.failed(again)
    assert "8 bits" in stage.recorder.wait_for(PlanReduced).sentence
    assert stage.ask("third", started.question.conversation_id).text == "You said: third "
    assert [(plan.batch_tokens, plan.kv_type) for plan in plans(stage)] == [(512, "f16"), (128, "f16"), (128, "q8_0")]
    assert stage.recorder.of(BugFound, ModelLoadFailed) == []

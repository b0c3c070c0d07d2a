"""Opening models: plans, failures, one in place of another, and what a waiting turn is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.events import (
    BugFound,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoadProgressed,
    ModelLoadStopped,
    ModelPlanned,
    Refused,
    TurnFinished,
)
from app.core.messages import MessageState
from app.core.settings import Settings
from app.engine.protocol import LoadRequest
from tests.chat.conftest import MakeStage
from tests.chat.stage import Stage, until
from tests.models.gguf_builder import small_projector

TOO_LONG = 1 << 30  # a context in tokens that no machine has room for


def test_a_model_is_planned_then_loaded(make_stage: MakeStage) -> None:
    stage = make_stage()
    model = stage.model()
    loaded = stage.load(model)
    planned = stage.recorder.wait_for(ModelPlanned)
    assert (planned.path, planned.projector, planned.name) == (model, None, "Tiny")
    assert planned.plan.fits
    assert (loaded.path, loaded.projector, loaded.sees_pictures) == (model, None, False)
    assert loaded.context_tokens == planned.plan.context_tokens
    assert ("Engine", "scripted") in loaded.details
    fractions = [event.fraction for event in stage.recorder.of(ModelLoadProgressed)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    kinds = [type(event) for event in stage.recorder.of(ModelPlanned, ModelLoadProgressed, ModelLoaded)]
    assert (kinds[0], kinds[-1]) == (ModelPlanned, ModelLoaded)


def test_the_projector_beside_the_model_is_taken_and_another_can_be_named(make_stage: MakeStage) -> None:
    stage = make_stage()
    beside = small_projector().write(stage.paths.models / "mmproj-F16.gguf")
    assert stage.load().projector == beside
    other = small_projector().write(stage.root / "other.gguf")
    stage.service.open_model(stage.paths.models / "model.gguf", other)
    loaded = stage.recorder.wait_for(ModelLoaded)
    assert (loaded.projector, loaded.sees_pictures) == (other, True)


def test_without_a_model_a_turn_fails_with_what_to_do(make_stage: MakeStage) -> None:
    stage = make_stage()
    started = stage.begin("hello")
    failed = stage.failed(started)
    assert failed.sentence == "No model is open yet. Open a model file, or download one under Models."
    assert stage.text_on_disk(started.question.id) == "hello"
    assert stage.state_on_disk(started.turn_id) == "failed"
    stage.load()
    assert stage.ask("now?", started.question.conversation_id).state is MessageState.COMPLETE


def test_a_turn_waits_for_the_load(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.hold("load")
    stage.service.open_model(stage.model())
    started = stage.begin("early")
    stage.recorder.wait_for(ModelLoadProgressed)
    stage.release("load")
    assert stage.finished(started).answer.text == "You said: early "


def test_a_waiting_turn_is_told_why_the_load_failed(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.hold("load")
    (stage.steering / "refuse-load").write_text("The card is full. Close other programs.")
    stage.service.open_model(stage.model())
    started = stage.begin("early")
    stage.release("load")
    failed = stage.recorder.wait_for(ModelLoadFailed)
    assert (failed.sentence, failed.can_retry_anyway) == ("The card is full. Close other programs.", False)
    assert stage.failed(started).sentence == failed.sentence
    (stage.steering / "refuse-load").unlink()
    stage.load()
    assert stage.ask("late").text == "You said: late "


def test_a_load_can_be_cancelled_and_a_waiting_turn_is_told(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.hold("load")
    model = stage.model()
    stage.service.open_model(model)
    started = stage.begin("early")
    stage.recorder.wait_for(ModelLoadProgressed)
    stage.service.cancel_load()
    assert stage.recorder.wait_for(ModelLoadStopped).path == model
    assert "cancelled" in stage.failed(started).sentence
    stage.release("load")
    assert stage.load(model).path == model
    assert stage.recorder.of(ModelLoadFailed) == []


def test_cancelling_without_a_load_does_nothing(stage: Stage) -> None:
    stage.service.cancel_load()
    assert stage.ask("still there?").state is MessageState.COMPLETE
    assert stage.recorder.of(ModelLoadStopped, Refused) == []


def test_a_second_model_takes_the_place_of_one_that_loads(make_stage: MakeStage) -> None:
    stage = make_stage()
    first, second = stage.model("first.gguf"), stage.model("second.gguf")
    stage.hold("load")
    stage.service.open_model(first)
    stage.recorder.wait_for(ModelLoadProgressed)
    stage.service.open_model(second)
    until(lambda: len(stage.requests) == 2)
    stage.release("load")
    assert stage.recorder.wait_for(ModelLoaded).path == second
    stage.ask("who?")
    assert [event.path for event in stage.recorder.of(ModelLoaded)] == [second]
    # That the first one stopped would be heard of the second one, which is planned already.
    assert stage.recorder.of(ModelLoadStopped, ModelLoadFailed, BugFound) == []


def test_opening_a_model_stops_the_answer(stage: Stage) -> None:
    stage.hold("answer")
    started = stage.begin("interrupted")
    stage.service.open_model(stage.model("other.gguf"))
    assert stage.finished(started).answer.state is MessageState.STOPPED
    assert stage.recorder.wait_for(ModelLoaded).path.name == "other.gguf"
    order = [type(event) for event in stage.recorder.of(TurnFinished, ModelLoaded)]
    assert order == [ModelLoaded, TurnFinished, ModelLoaded]


def test_a_missing_file_keeps_the_model_that_was_ready(stage: Stage) -> None:
    gone = stage.root / "gone.gguf"
    stage.service.open_model(gone)
    failed = stage.recorder.wait_for(ModelLoadFailed)
    assert failed.path == gone
    assert "gone.gguf" in failed.sentence
    assert not failed.can_retry_anyway
    assert stage.ask("still there?").text == "You said: still there? "
    assert len([request for request in stage.requests if isinstance(request, LoadRequest)]) == 1


@pytest.mark.parametrize("content", [b"", b"GGUF", b"MZ" + bytes(4096), b"GGUF\x03\0\0\0" + b"\xff" * 64])
def test_a_damaged_file_keeps_the_model_that_was_ready(stage: Stage, content: bytes) -> None:
    damaged = stage.root / "damaged.gguf"
    damaged.write_bytes(content)
    stage.service.open_model(damaged)
    assert "damaged.gguf" in stage.recorder.wait_for(ModelLoadFailed).sentence
    assert stage.ask("still there?").text == "You said: still there? "
    assert stage.recorder.of(BugFound) == []


def test_a_folder_is_no_model(stage: Stage) -> None:
    stage.service.open_model(stage.root)
    assert stage.recorder.wait_for(ModelLoadFailed).path == stage.root
    assert stage.recorder.of(BugFound) == []


def test_a_projector_that_can_not_be_used_is_a_sentence(stage: Stage) -> None:
    stage.service.open_model(stage.model(), stage.model("no-projector.gguf"))
    assert "not a projector" in stage.recorder.wait_for(ModelLoadFailed).sentence
    assert stage.ask("still there?").state is MessageState.COMPLETE


def test_a_failure_before_the_first_model_is_what_a_turn_is_told(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.service.open_model(stage.root / "gone.gguf")
    failed = stage.recorder.wait_for(ModelLoadFailed)
    assert stage.failed(stage.begin("hello")).sentence == failed.sentence


def test_a_model_that_does_not_fit_loads_only_anyway(make_stage: MakeStage) -> None:
    stage = make_stage(settings=Settings(context_tokens=TOO_LONG))
    model = stage.model(context_length=TOO_LONG)
    stage.service.open_model(model)
    planned = stage.recorder.wait_for(ModelPlanned)
    failed = stage.recorder.wait_for(ModelLoadFailed)
    assert not planned.plan.fits
    assert failed.can_retry_anyway
    assert failed.sentence == " ".join(planned.plan.reasons)
    assert stage.requests == []
    stage.service.open_model(model, anyway=True)
    assert stage.recorder.wait_for(ModelLoaded).context_tokens == TOO_LONG


def test_a_relative_path_is_opened_where_it_leads(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_stage()
    model = stage.model()
    monkeypatch.chdir(model.parent)
    assert stage.load(Path("model.gguf")).path.resolve() == model.resolve()


def test_a_file_that_is_no_model_does_not_stop_the_answer_under_way(stage: Stage, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"no model")
    stage.hold("answer")
    started = stage.begin("go on")
    stage.service.open_model(bad)
    stage.recorder.wait_for(ModelLoadFailed)
    stage.release("answer")
    assert stage.finished(started).answer.state is MessageState.COMPLETE

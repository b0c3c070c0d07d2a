"""The model that is there from the first start, and in place of one that is not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from app.core.built_in import BUILT_IN_MODEL, BUILT_IN_NAME, BUILT_IN_PROJECTOR
from app.core.events import ModelLoaded, ModelLoadFailed, ModelLoadProgressed, ModelLoadStopped, ModelPlanned
from app.core.facts import Gpu, Hardware
from app.core.messages import MessageState
from app.core.sampling import SAMPLING
from app.core.settings import Settings, load_settings
from app.engine.protocol import GenerateRequest
from tests.chat.conftest import MakeStage
from tests.chat.stage import FAST, THINK, Stage


def start(stage: Stage, remembered: Path | None = None) -> ModelLoaded:
    stage.service.open_at_start(remembered, None)
    return stage.recorder.wait_for(ModelLoaded)


def generations(stage: Stage) -> list[GenerateRequest]:
    return [request for request in stage.requests if isinstance(request, GenerateRequest)]


def test_without_a_remembered_model_the_built_in_one_answers(make_stage: MakeStage) -> None:
    stage = make_stage()
    loaded = start(stage)
    assert (loaded.path, loaded.projector, loaded.name) == (BUILT_IN_MODEL, BUILT_IN_PROJECTOR, BUILT_IN_NAME)
    assert not loaded.is_stand_in
    assert stage.recorder.wait_for(ModelPlanned).name == BUILT_IN_NAME
    answer = stage.ask("hello")
    assert (answer.state, answer.model_name) == (MessageState.COMPLETE, BUILT_IN_NAME)
    stage.settle()
    assert load_settings(stage.paths.settings).model == "", "where it lies may change with the next version"


def test_it_leaves_the_cards_to_other_models(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    card = Gpu("Card", "00000000:01:00.0", "u1", 24 << 30, 20 << 30, drives_display=False)
    hardware = Hardware((card,), 64 << 30, 32 << 30, "CPU", 8)
    monkeypatch.setattr("app.chat.machine.read_hardware", lambda: hardware)
    stage = make_stage(settings=Settings(context_tokens=1 << 20))
    start(stage)
    plan = stage.recorder.wait_for(ModelPlanned).plan
    assert (plan.fits, plan.devices, plan.n_gpu_layers) == (True, (), 0)
    assert plan.context_tokens == 8192


def test_it_is_drawn_greedily_and_other_models_as_their_makers_say(make_stage: MakeStage) -> None:
    stage = make_stage()
    start(stage)
    stage.ask("one", effort=FAST)
    stage.ask("two", effort=THINK)
    stage.load()
    stage.ask("three", effort=THINK)
    temperatures = [request.sampling.temperature for request in generations(stage)]
    assert temperatures == [0.0, 0.0, SAMPLING[THINK].temperature]


@pytest.mark.parametrize("content", [None, b"GGUF\x03\0\0\0" + b"\xff" * 64])
def test_it_stands_in_for_a_model_that_is_gone_or_damaged(make_stage: MakeStage, content: bytes | None) -> None:
    remembered = Settings(model="/somewhere/large.gguf", projector="/somewhere/mmproj.gguf")
    stage = make_stage(settings=remembered)
    large = stage.root / "large.gguf"
    if content is not None:
        large.write_bytes(content)
    loaded = start(stage, large)
    failed = stage.recorder.wait_for(ModelLoadFailed)
    assert (failed.path, failed.has_stand_in) == (large, True)
    assert "large.gguf" in failed.sentence
    assert (loaded.path, loaded.is_stand_in) == (BUILT_IN_MODEL, True)
    assert stage.ask("hello").model_name == BUILT_IN_NAME
    stage.service.change_settings(Settings())
    stage.settle()
    saved = load_settings(stage.paths.settings)
    assert (saved.model, saved.projector) == (remembered.model, remembered.projector), "it may be back"


def test_a_question_asked_at_once_waits_for_the_stand_in(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.service.open_at_start(stage.root / "gone.gguf", None)
    assert stage.ask("already?").text == "You said: already? "


def test_a_load_that_breaks_off_is_told_to_who_asked_and_then_stood_in_for(make_stage: MakeStage) -> None:
    stage = make_stage()
    refusal = stage.steering / "refuse-load"
    refusal.write_text("The card is full. Close other programs.")
    stage.recorder.on_event = lambda event: refusal.unlink(True) if isinstance(event, ModelLoadFailed) else None
    stage.hold("load")
    stage.service.open_at_start(stage.model("large.gguf"), None)
    started = stage.begin("for the large one")
    stage.recorder.wait_for(ModelLoadProgressed)
    stage.release("load")
    assert stage.failed(started).sentence == "The card is full. Close other programs."
    loaded = stage.recorder.wait_for(ModelLoaded)
    assert (loaded.path, loaded.is_stand_in) == (BUILT_IN_MODEL, True)
    assert stage.ask("and now?").model_name == BUILT_IN_NAME


def test_an_engine_that_died_over_the_model_is_started_again_for_the_stand_in(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.hold("load")
    stage.service.open_at_start(stage.model("large.gguf"), None)
    started = stage.begin("for the large one")
    stage.recorder.wait_for(ModelLoadProgressed)
    os.kill(stage.pid, signal.SIGKILL)
    assert "stopped unexpectedly" in stage.failed(started).sentence
    stage.release("load")
    assert stage.recorder.wait_for(ModelLoaded).is_stand_in
    assert stage.ask("and now?").model_name == BUILT_IN_NAME


def test_nothing_stands_in_for_what_the_person_opens_or_cancels(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.service.open_model(stage.root / "gone.gguf")
    assert not stage.recorder.wait_for(ModelLoadFailed).has_stand_in
    stage.hold("load")
    stage.service.open_at_start(stage.model("large.gguf"), None)
    stage.recorder.wait_for(ModelLoadProgressed)
    stage.service.cancel_load()
    stage.recorder.wait_for(ModelLoadStopped)
    stage.release("load")
    stage.settle()
    assert stage.recorder.of(ModelLoaded) == []


def test_what_the_person_opens_takes_the_stand_ins_place_for_good(make_stage: MakeStage) -> None:
    stage = make_stage()
    start(stage, stage.root / "gone.gguf")
    model = stage.load().path
    stage.settle()
    assert load_settings(stage.paths.settings).model == str(model)
    chosen = stage.load(BUILT_IN_MODEL)
    assert not chosen.is_stand_in
    stage.settle()
    assert load_settings(stage.paths.settings).model == ""


def test_a_finished_download_takes_the_built_in_models_place_but_no_others(make_stage: MakeStage) -> None:
    stage = make_stage()
    start(stage)
    first, second = stage.model("first.gguf"), stage.model("second.gguf")
    # What the download thread asks for once the last byte is verified.
    stage.service._thread.do(lambda floor: floor.open_downloaded(first, None))
    assert stage.recorder.wait_for(ModelLoaded).path == first
    stage.service._thread.do(lambda floor: floor.open_downloaded(second, None))
    stage.settle()
    assert [event.path for event in stage.recorder.of(ModelLoaded)] == [BUILT_IN_MODEL, first]
    assert load_settings(stage.paths.settings).model == str(first)

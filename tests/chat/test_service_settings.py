"""What is remembered between two starts."""

from __future__ import annotations

import pytest

from app.core.events import BugFound, ModelLoadFailed, Refused
from app.core.messages import MessageState
from app.core.settings import Settings, Theme, load_settings
from app.engine.corrections import chosen_overrides
from app.engine.protocol import LoadRequest
from tests.chat.conftest import MakeStage
from tests.chat.stage import Stage
from tests.models.gguf_builder import small_projector


def test_a_loaded_model_is_remembered(make_stage: MakeStage) -> None:
    stage = make_stage(settings=Settings(theme=Theme.DARK))
    projector = small_projector().write(stage.paths.models / "mmproj-F16.gguf")
    model = stage.load().path
    stage.settle()
    saved = load_settings(stage.paths.settings)
    assert saved == Settings(theme=Theme.DARK, model=str(model), projector=str(projector))


def test_a_model_that_did_not_load_is_not_remembered(make_stage: MakeStage) -> None:
    stage = make_stage()
    model = stage.load().path
    stage.service.open_model(stage.root / "gone.gguf")
    stage.recorder.wait_for(ModelLoadFailed)
    stage.settle()
    assert load_settings(stage.paths.settings).model == str(model)


def test_changed_settings_are_saved_but_keep_the_model(stage: Stage) -> None:
    stage.service.change_settings(Settings(theme=Theme.LIGHT, model="what the window thinks", projector="old"))
    stage.settle()
    saved = load_settings(stage.paths.settings)
    assert (saved.theme, saved.model) == (Theme.LIGHT, str(stage.paths.models / "model.gguf"))
    assert saved.projector == ""


def test_changed_settings_count_for_the_next_load(stage: Stage) -> None:
    stage.service.change_settings(Settings(context_tokens=512))
    assert stage.load().context_tokens == 512


@pytest.mark.parametrize("arch", ["mistral4", "llama"])
def test_the_attention_switch_reaches_the_engine_for_the_family_it_is_for(make_stage: MakeStage, arch: str) -> None:
    stage = make_stage(settings=Settings(unscaled_attention=True))
    stage.load(stage.model(arch=arch))
    (request,) = (request for request in stage.requests if isinstance(request, LoadRequest))
    assert bool(request.metadata) == (arch == "mistral4")
    assert request.metadata == chosen_overrides(arch, unscaled_attention=True)


def test_settings_that_can_not_be_written_still_count(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.paths.settings.mkdir()
    stage.service.change_settings(Settings(context_tokens=512))
    refused = stage.recorder.wait_for(Refused)
    assert str(stage.paths.settings) in refused.sentence
    assert stage.load().context_tokens == 512
    assert "settings" in stage.recorder.wait_for(Refused).sentence
    assert stage.ask("hello").state is MessageState.COMPLETE
    assert stage.recorder.of(BugFound) == []


def test_an_unreadable_settings_file_is_replaced_by_the_next_change(make_stage: MakeStage) -> None:
    stage = make_stage()
    stage.paths.settings.write_bytes(b"\xff{not json")
    assert load_settings(stage.paths.settings) == Settings()
    stage.service.change_settings(Settings(reserve_mib=2048))
    stage.settle()
    assert load_settings(stage.paths.settings).reserve_mib == 2048

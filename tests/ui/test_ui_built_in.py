"""How the window shows the built-in model, offers a real one beside it, and what it remembers of either."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.core.built_in import BUILT_IN_MODEL, BUILT_IN_NAME, BUILT_IN_PROJECTOR
from app.core.events import ModelLoaded, ModelLoadFailed, ModelLoadProgressed, ModelPlanned, PictureAttached
from app.core.settings import Settings
from tests.ui.scenery import MakeStage, Stage, picture, plan

OTHER = Path("/models/large.gguf")
PLANNED = ModelPlanned(BUILT_IN_MODEL, BUILT_IN_PROJECTOR, BUILT_IN_NAME, plan())


def loaded(path: Path, name: str, *, side: int = 0, is_stand_in: bool = False) -> ModelLoaded:
    return ModelLoaded(path, None, name, 8192, True, True, 0.5, (), side, is_stand_in)


BUILT_IN = loaded(BUILT_IN_MODEL, BUILT_IN_NAME, side=168)
LARGE = loaded(OTHER, "Large", side=1540)


@pytest.fixture
def first(make_stage: MakeStage) -> Stage:
    return make_stage(Settings())


def press(stage: Stage, text: str) -> None:
    buttons = stage.window.notices.findChildren(QPushButton)
    next(button for button in buttons if button.text() == text and button.isVisible()).click()


def model_in_settings(stage: Stage) -> list[str]:
    return [settings.model for (settings,) in stage.service.asked("change_settings")]


def test_the_first_start_shows_the_chat_ready_to_be_written_in(first: Stage) -> None:
    assert first.service.asked("open_at_start") == [(None, None)]
    assert first.window.page == "chat"
    assert first.window.chat.empty.tiles.isVisible()
    assert not first.window.chat.empty.no_model.isVisible()
    first.show(PLANNED)
    assert first.window.chat.empty.tiles.isVisible(), "a model that is there in a moment needs no plan to read"
    assert not first.window.chat.empty.plan_card.isVisible()
    first.show(BUILT_IN)
    assert first.window.header.model_button.text() == f"{BUILT_IN_NAME} · ready"
    assert first.window.focusWidget() is first.window.chat.composer.input


def test_the_empty_chat_offers_the_real_model(first: Stage, qtbot: QtBot) -> None:
    first.show(PLANNED, BUILT_IN)
    empty = first.window.chat.empty
    assert empty.real_model.isVisible()
    empty.real_model_button.click()
    assert first.window.page == "models"
    assert first.window.models.title.isVisible()
    assert first.window.models.built_in.state.isVisible()
    assert not first.window.models.built_in.button.isVisible()
    first.window.show_page("chat")
    first.show(ModelPlanned(OTHER, None, "Large", plan()), LARGE)
    assert not empty.real_model.isVisible()


def test_the_suggestions_are_what_the_model_can_do(first: Stage) -> None:
    first.show(PLANNED, BUILT_IN)
    chat = first.window.chat
    with_built_in = []
    for tile in chat.empty.tiles.findChildren(QPushButton)[:2]:
        tile.click()
        with_built_in.append(chat.composer.input.toPlainText())
    assert with_built_in == ["How do I add a picture?", "What is 347 + 285?"]
    assert "347" not in chat.empty.tiles.findChildren(QPushButton)[0].accessibleName()
    first.show(ModelPlanned(OTHER, None, "Large", plan()), LARGE)
    chat.empty.tiles.findChildren(QPushButton)[0].click()
    assert "hash table" in chat.composer.input.toPlainText()


def test_the_built_in_model_stays_reachable_from_the_models(first: Stage) -> None:
    first.show(PLANNED, BUILT_IN, ModelPlanned(OTHER, None, "Large", plan()), ModelLoadProgressed(0.5))
    first.window.show_page("models")
    card = first.window.models.built_in
    assert card.button.isVisible()
    assert not card.state.isVisible()
    first.show(LARGE)
    card.button.click()
    assert first.service.asked("open_model") == [(BUILT_IN_MODEL, BUILT_IN_PROJECTOR, ("anyway", False))]


def test_a_model_that_does_not_fit_leaves_the_built_in_one_in_use(first: Stage) -> None:
    large = ModelPlanned(OTHER, None, "Large", plan())
    first.show(PLANNED, BUILT_IN, large, ModelLoadFailed(OTHER, "It needs 72 GB.", can_retry_anyway=True))
    first.window.show_page("models")
    assert first.window.models.built_in.state.isVisible()
    assert first.window.header.model_button.text() == f"{BUILT_IN_NAME} · ready"


def test_what_is_opened_is_remembered_and_the_built_in_one_is_the_absence_of_a_choice(first: Stage) -> None:
    first.show(PLANNED, BUILT_IN, ModelPlanned(OTHER, None, "Large", plan()), LARGE)
    assert model_in_settings(first)[-1] == str(OTHER)
    first.show(PLANNED, BUILT_IN)
    assert model_in_settings(first)[-1] == ""


def test_a_model_that_is_gone_is_told_of_and_stood_in_for(make_stage: MakeStage) -> None:
    stage = make_stage(Settings(model=str(OTHER)))
    failed = ModelLoadFailed(OTHER, "large.gguf is not there.", has_stand_in=True)
    stage.show(failed, PLANNED, loaded(BUILT_IN_MODEL, BUILT_IN_NAME, is_stand_in=True))
    assert stage.window.notices.sentence("last model") == (
        "large.gguf is not there. Until then, the tiny built-in model answers."
    )
    assert stage.window.header.model_button.text() == f"{BUILT_IN_NAME} · ready"
    assert stage.session.settings.model == str(OTHER), "it may be back at the next start"
    assert not stage.window.models.built_in.state.isVisibleTo(stage.window.models)
    press(stage, "Try again")
    assert stage.service.asked("open_model") == [(OTHER, None, ("anyway", False))]
    assert stage.window.notices.sentence("last model") == ""


def test_a_model_that_does_not_fit_at_the_start_can_be_loaded_anyway(make_stage: MakeStage) -> None:
    stage = make_stage(Settings(model=str(OTHER), projector="/models/mmproj.gguf"))
    failed = ModelLoadFailed(OTHER, "It needs 72 GB.", can_retry_anyway=True, has_stand_in=True)
    stage.show(
        ModelPlanned(OTHER, None, "Large", plan()),
        failed,
        PLANNED,
        loaded(BUILT_IN_MODEL, BUILT_IN_NAME, is_stand_in=True),
    )
    press(stage, "Load anyway")
    assert stage.service.asked("open_model") == [(OTHER, Path("/models/mmproj.gguf"), ("anyway", True))]


def test_a_picture_costs_what_the_model_in_use_makes_of_it(first: Stage) -> None:
    composer = first.window.chat.composer
    composer.attach("r1", "plot.png")
    first.show(PictureAttached("r1", picture(), b""))
    assert "3,080\u00a0tokens" in composer.tray.chips()[0].accessibleName()
    first.show(PLANNED, BUILT_IN)
    assert "42\u00a0tokens" in composer.tray.chips()[0].accessibleName()  # 6 rows of 6 cells, and their ends
    first.show(ModelPlanned(OTHER, None, "Large", plan()), LARGE)
    assert "3,080\u00a0tokens" in composer.tray.chips()[0].accessibleName()

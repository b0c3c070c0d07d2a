"""The first run in the window: skip, run, fail, leave and come back."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.events import (
    DownloadFailed,
    DownloadFinished,
    DownloadProgressed,
    DownloadStopped,
    ModelLoaded,
    ModelLoadFailed,
    ModelLoadProgressed,
    ModelPlanned,
    OffersListed,
)
from app.core.library import TaskState
from app.core.settings import Settings
from app.ui.first_run_card import FirstRunCard
from tests.ui.scenery import MakeStage, Stage, hardware, offer, plan

TARGET = Path("/models")
LISTED = OffersListed(hardware(), (offer("large", fits=False), offer("small"), offer("other")), TARGET, 500_000_000_000)
MODEL = TARGET / "small" / "m.gguf"
HERE = DownloadFinished("small", MODEL, None)
HALF = DownloadProgressed("small", "m.gguf", 5, 10, 0.0, None)


def begin(make_stage: MakeStage, settings: Settings) -> Stage:
    stage = make_stage(settings)
    stage.shell.presenter.commands.show_page("models")
    stage.show(LISTED)
    return stage


@pytest.fixture
def stage(make_stage: MakeStage) -> Stage:
    return begin(make_stage, Settings())


@pytest.fixture
def card(stage: Stage) -> FirstRunCard:
    return stage.window.models.first_run


def states(card: FirstRunCard) -> list[str]:
    return [row.task.state.value for row in card.rows.values()]


def test_the_best_that_fits_is_proposed_and_downloaded_into_the_shown_folder(stage: Stage, card: FirstRunCard) -> None:
    assert card.choice.currentData() == "small"
    assert card.rows["choice"].sentence.text() == "Fits into both cards."
    assert card.rows["place"].sentence.text() == "500\u202fGB free"
    assert card.folder.full_text == str(TARGET)
    card.download_button.click()
    assert stage.service.asked("download") == [("small", TARGET)]
    assert stage.session.settings.first_choice == "small"


def test_from_the_download_to_a_loaded_model(stage: Stage, card: FirstRunCard) -> None:
    stage.show(HALF)
    assert states(card)[3:] == ["running", "waiting", "waiting"]
    assert card.progress.value() == 500
    card.download_button.click()
    assert stage.service.asked("stop_download") == [()]
    stage.show(DownloadStopped("small"))
    assert card.download_button.text() == "Go on"
    stage.show(HERE, ModelPlanned(MODEL, None, "Small", plan()), ModelLoadProgressed(0.5))
    assert card.rows["load"].sentence.text() == "Loading, 50\u202f%"
    stage.show(ModelLoaded(MODEL, None, "Small", 4096, False, True, 1.0, ()))
    assert states(card) == ["done"] * 6
    assert stage.session.settings.first_run == "done"


def test_what_fails_says_why_and_can_be_run_again(stage: Stage, card: FirstRunCard) -> None:
    stage.show(DownloadFailed("small", "There is no network."))
    assert card.rows["download"].task.state is TaskState.FAILED
    assert card.rows["download"].sentence.text() == "There is no network."
    assert card.download_button.text() == "Try again"
    card.download_button.click()
    assert stage.service.asked("download") == [("small", TARGET)]
    stage.show(HERE, ModelLoadFailed(MODEL, "Too little RAM.", True))
    assert card.rows["load"].sentence.text() == "Too little RAM."
    card.load_button.click()
    assert stage.service.asked("open_model") == [(MODEL, None, ("anyway", False))]


def test_skipping_puts_the_tasks_away_and_a_button_brings_them_back(stage: Stage, card: FirstRunCard) -> None:
    card.skip_button.click()
    assert not card.isVisible()
    assert stage.session.settings.first_run == "skipped"
    stage.window.models.first_run_button.click()
    assert card.isVisible()
    assert stage.session.settings.first_run == ""


def test_after_a_restart_it_goes_on_with_what_was_chosen(make_stage: MakeStage) -> None:
    stage = begin(make_stage, Settings(first_choice="other", models_folder=str(TARGET)))
    card = stage.window.models.first_run
    assert card.isVisible()
    assert card.choice.currentData() == "other"
    stage.show(DownloadStopped("other"))
    assert card.download_button.text() == "Go on"
    assert card.rows["download"].sentence.text() == "Paused; what arrived is kept."


@pytest.mark.parametrize("ended", ["skipped", "done"])
def test_once_ended_it_does_not_come_back_by_itself(make_stage: MakeStage, ended: str) -> None:
    stage = begin(make_stage, Settings(first_run=ended, first_choice="small"))
    assert not stage.window.models.first_run.isVisible()
    assert stage.window.models.first_run_button.isVisible()


def test_another_choice_begins_anew_and_one_that_does_not_fit_says_so(stage: Stage, card: FirstRunCard) -> None:
    stage.show(DownloadStopped("small"))
    card.choice.setCurrentIndex(card.choice.findData("large"))
    assert stage.session.settings.first_choice == "large"
    assert card.rows["choice"].task.state is TaskState.FAILED
    assert card.download_button.text() == "Download"
    stage.show(DownloadStopped("small"))  # of another offer: nothing to do with it
    assert card.download_button.text() == "Download"


def test_the_tasks_can_be_walked_through_by_keyboard(stage: Stage, card: FirstRunCard) -> None:
    for widget in (card.choice, card.change_button, card.download_button, card.skip_button):
        assert widget.focusPolicy().value & 1, widget.accessibleName()
        assert widget.accessibleName()
    assert card.rows["download"].accessibleName().startswith("Download: open")
